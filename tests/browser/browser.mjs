// Chromium, and the kinds of contexts that the cases need.
import { chromium, environment } from './environment.mjs';
import { Watch } from './watch.mjs';

export const WIDE = { width: 1280, height: 900 };
export const NARROW = { width: 360, height: 800 };
/** Milliseconds for each step of a case. */
const PATIENCE = 15_000;

export function launch() {
  // No sandbox: it needs rights that containers and root do not give.
  const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
  return chromium.launch({ executablePath: environment.chromium, args });
}

/** Opens a page as users have it. Whatever it does wrong is a finding of its watch. */
export async function watched(browser, options = {}) {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  context.setDefaultTimeout(PATIENCE);
  const watch = await Watch.over(context);
  return { context, watch, page: await context.newPage() };
}

/** Opens a page without the policy of the service, so that axe can be put into it. */
export async function unguarded(browser, options = {}) {
  const context = await browser.newContext({ viewport: WIDE, bypassCSP: true, ...options });
  context.setDefaultTimeout(PATIENCE);
  return { context, page: await context.newPage() };
}
