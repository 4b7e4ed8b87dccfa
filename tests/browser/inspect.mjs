// Looks at pages in every width and theme.
import { accessibility } from './checks/accessibility.mjs';
import { budgets, shifts } from './checks/first_visit.mjs';
import { overflow } from './checks/overflow.mjs';
import { NARROW, WIDE, unguarded, watched } from './browser.mjs';

const THEMES = ['light', 'dark'];
const WIDTHS = [320, 360, 480, 640, 960, 1280];

const EVERY_SIZE = [WIDE, NARROW];

/**
 * A page to look at: its address, its status, whether the budgets hold for it, and the widths in which it is looked at. axe, which
 * takes seconds for large pages, can be left out or run once.
 */
export function kind(path, { status = 200, budget = true, axe = 'everywhere', widths = WIDTHS } = {}) {
  return { path, status, budget, axe, widths };
}

/** Sizes in which axe looks at a page in a theme. */
function auditedSizes(axe, theme) {
  if (axe === 'everywhere') return EVERY_SIZE;
  return axe === 'once' && theme === THEMES[0] ? [WIDE] : [];
}

/** Looks at pages in both ways below, and returns the findings. */
export async function examine(browser, origin, kinds) {
  const findings = await Promise.all([firstVisits(browser, origin, kinds), everyWidth(browser, origin, kinds)]);
  return findings.flat();
}

/** Visits each page for the first time, as users do, and returns the findings. */
async function firstVisits(browser, origin, kinds) {
  const findings = [];
  for (const { path, status, budget } of kinds) {
    const { context, watch, page } = await watched(browser);
    const url = origin + path;
    if (status >= 400) watch.expectFailure(url);
    const response = await page.goto(url, { waitUntil: 'load' });
    if (response.status() !== status) findings.push(`${path}: status ${response.status()} instead of ${status}`);
    for (const text of await shifts(page)) findings.push(`${path}: ${text}`);
    if (budget) for (const text of await budgets(watch.takeRequests())) findings.push(`${path}: ${text}`);
    findings.push(...watch.takeFindings());
    await context.close();
  }
  return findings;
}

/** Looks at each page in every width and both themes, and returns the findings. */
async function everyWidth(browser, origin, kinds) {
  const findings = [];
  const { context, page } = await unguarded(browser);
  for (const { path, axe, widths } of kinds) {
    await page.goto(origin + path, { waitUntil: 'load' });
    for (const theme of THEMES) {
      await page.emulateMedia({ colorScheme: theme });
      const note = (width, text) => findings.push(`${path} at ${width} px, ${theme}: ${text}`);
      for (const width of widths) {
        await page.setViewportSize({ width, height: 800 });
        for (const text of await overflow(page)) note(width, text);
      }
      for (const size of auditedSizes(axe, theme)) {
        await page.setViewportSize(size);
        for (const text of await accessibility(page)) note(size.width, text);
      }
    }
  }
  await context.close();
  return findings;
}
