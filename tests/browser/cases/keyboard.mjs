// Everything without a mouse.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watched } from '../browser.mjs';
import { assertNone, compared } from '../expect.mjs';

/** Describes the element with the focus, and whether a user can see that it has it. */
function focused(page) {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (element === document.body) return null;
    const style = getComputedStyle(element);
    const { top, bottom, left, right } = element.getBoundingClientRect();
    return {
      name: `<${element.localName}> ${element.getAttribute('aria-label') ?? element.textContent.trim().slice(0, 40)}`,
      hasOutline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
      isOnScreen: bottom > 0 && top < innerHeight && right > 0 && left < innerWidth,
    };
  });
}

/** Presses Tab until the focus leaves the page, and returns where it was. */
async function tabThrough(page) {
  const stops = [];
  for (;;) {
    await page.keyboard.press('Tab');
    const stop = await focused(page);
    if (!stop) return stops;
    stops.push(stop);
    assert.ok(stops.length < 500, 'the focus never leaves the page');
  }
}

export function keyboard(world) {
  test('the first stop skips to the content', async () => {
    const { context, page } = await watched(world.browser);
    await page.goto(`${world.demo.origin}/provider/aws`);
    await page.keyboard.press('Tab');
    assert.match((await focused(page)).name, /Skip to content/);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    const isInside = await page.evaluate(() => document.querySelector('main').contains(document.activeElement));
    assert.ok(isInside, 'the next stop is in the content');
    await context.close();
  });

  test('each stop of the Tab key is visible, and all controls are stops', async () => {
    const findings = [];
    for (const viewport of [{ width: 1280, height: 900 }, { width: 360, height: 800 }]) {
      const { context, page } = await watched(world.browser, { viewport });
      for (const path of ['/', '/extensions', '/provider/aws', '/provider/aws/versions', '/provider/aws/v/1.2.0/files', '/provider/aws/changes', '/status']) {
        await page.goto(world.demo.origin + path);
        const stops = await tabThrough(page);
        const controls = await page.locator('a[href]:visible:not([tabindex="-1"]), button:visible, summary:visible, select:visible').count();
        if (stops.length < controls) findings.push(`${path} at ${viewport.width} px: ${stops.length} stops for ${controls} controls`);
        for (const { name, hasOutline, isOnScreen } of stops) {
          if (!hasOutline) findings.push(`${path} at ${viewport.width} px: no outline around ${name}`);
          if (!isOnScreen) findings.push(`${path} at ${viewport.width} px: the focus is off the screen at ${name}`);
        }
      }
      await context.close();
    }
    assertNone(findings);
  });

  test('a slash focuses the search, arrows choose, Enter opens, Escape leaves', async () => {
    const { context, watch, page } = await watched(world.browser);
    await page.goto(`${world.demo.origin}/status`);
    const search = page.locator('#q');
    const chosen = () => search.getAttribute('aria-activedescendant');
    await page.keyboard.press('/');
    await page.keyboard.type('kub');
    await page.getByRole('option').first().waitFor();
    await page.keyboard.press('ArrowDown');
    assert.equal(await chosen(), 'suggestion-0');
    await page.keyboard.press('ArrowUp');
    assert.equal(await chosen(), null);
    await page.keyboard.press('Escape');
    assert.equal(await search.getAttribute('aria-expanded'), 'false');
    await page.keyboard.press('Escape');
    assert.equal(await focused(page), null);
    await page.keyboard.press('/');
    await page.keyboard.type('kubernetes');
    await page.getByRole('option', { name: /kubernetes/ }).first().waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/taskserv/kubernetes');
    assertNone(watch.takeFindings());
    await context.close();
  });

  test('a question mark lists the keys, and Escape closes the list', async () => {
    const { context, page } = await watched(world.browser);
    await page.goto(world.demo.origin);
    await page.keyboard.press('?');
    const dialog = page.getByRole('dialog', { name: 'Keys' });
    assert.ok(await dialog.isVisible());
    await page.keyboard.press('Escape');
    assert.ok(!(await dialog.isVisible()));
    await context.close();
  });

  test('two versions are compared without a mouse', async () => {
    const { context, page } = await watched(world.browser);
    await page.goto(`${world.demo.origin}/provider/aws/versions`);
    await page.getByRole('radio', { name: 'From 1.1.0' }).focus();
    await page.keyboard.press('ArrowDown');
    await page.getByRole('button', { name: 'Compare the two' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForURL('**/changes?*');
    assert.deepEqual(compared(page), ['1.0.0', '1.2.0']);
    await context.close();
  });
}
