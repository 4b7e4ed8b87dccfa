// Themes, forced colors, reduced motion, print.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watched } from '../browser.mjs';
import { overflow } from '../checks/overflow.mjs';
import { assertNone } from '../expect.mjs';

const background = page => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
const LIGHT = 'rgb(247, 248, 249)';
const DARK = 'rgb(18, 21, 24)';

/** Compares two elements by what a user sees of their state. */
function looks(page, selector) {
  return page.locator(selector).first().evaluate(element => {
    const { color, backgroundColor, borderBottomColor, outlineStyle, outlineColor, fontWeight, textDecorationLine } = getComputedStyle(element);
    return JSON.stringify({ color, backgroundColor, borderBottomColor, outlineStyle, outlineColor, fontWeight, textDecorationLine });
  });
}

export function appearance(world) {
  test('the theme is that of the system until it is chosen, and the choice is kept', async () => {
    const { context, watch, page } = await watched(world.browser, { colorScheme: 'light' });
    await page.goto(world.demo.origin);
    assert.equal(await background(page), LIGHT);
    await page.getByRole('button', { name: 'Dark' }).click();
    assert.equal(await background(page), DARK);
    await page.goto(`${world.demo.origin}/status`);
    assert.equal(await page.evaluate(() => window.firstTheme), 'dark', 'the body appears in the chosen theme');
    assert.equal(await background(page), DARK);
    await page.getByRole('button', { name: 'Light' }).click();
    assert.equal(await page.evaluate(() => localStorage.length), 0, 'the theme of the system needs no memory');
    await page.emulateMedia({ colorScheme: 'dark' });
    assert.equal(await background(page), DARK);
    assertNone(watch.takeFindings());
    await context.close();
  });

  test('with forced colors the current tab and filter differ from the others', async () => {
    const { context, page } = await watched(world.browser, { forcedColors: 'active' });
    await page.goto(`${world.demo.origin}/extensions?type=provider`);
    assert.notEqual(await looks(page, '.filters [aria-current]'), await looks(page, '.filters a:not([aria-current])'));
    await page.goto(`${world.demo.origin}/provider/aws`);
    assert.notEqual(await looks(page, '.tabs [aria-current]'), await looks(page, '.tabs a:not([aria-current])'));
    await page.goto(`${world.demo.origin}/provider/aws/versions`);
    assert.notEqual(await page.locator('circle').first().evaluate(dot => getComputedStyle(dot).fill), await background(page));
    await context.close();
  });

  test('printed pages are dark on light, without controls, and fit the paper', async () => {
    const findings = [];
    for (const theme of ['light', 'dark']) {
      const { context, page } = await watched(world.browser, { colorScheme: theme, viewport: { width: 718, height: 1000 } });
      await page.addInitScript(name => localStorage.setItem('er-theme', name), theme);
      for (const path of ['/', '/extensions', '/provider/aws', '/provider/aws/versions', '/provider/aws/changes', '/status']) {
        await page.goto(world.demo.origin + path);
        await page.emulateMedia({ media: 'print', colorScheme: theme });
        const note = text => findings.push(`${path}, ${theme}: ${text}`);
        const color = await page.evaluate(() => getComputedStyle(document.body).color);
        if (color !== 'rgb(26, 29, 33)') note(`text is printed in ${color}`);
        for (const control of ['.search', '.tabs', '.filters', 'button']) {
          if (await page.locator(`${control}:visible`).count() > 0) note(`${control} is printed`);
        }
        for (const text of await overflow(page)) note(text);
      }
      await context.close();
    }
    assertNone(findings);
  });

  test('nothing moves by itself', async () => {
    const { context, page } = await watched(world.browser, { reducedMotion: 'reduce' });
    await page.goto(`${world.demo.origin}/provider/aws`);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    await context.close();
  });
}
