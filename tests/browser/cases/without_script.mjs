// Everything without script.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NARROW, watched } from '../browser.mjs';
import { compared } from '../expect.mjs';

export function withoutScript(world) {
  test('a reader without script searches, filters, opens, compares and reads files', async () => {
    const { context, page } = await watched(world.browser, { javaScriptEnabled: false, viewport: NARROW });
    await page.goto(world.demo.origin);
    await page.locator('#q').fill('kubernetes');
    await page.locator('#q').press('Enter');
    assert.match(page.url(), /\/search\?q=kubernetes$/);
    await page.locator('.filters a', { hasText: 'Task services' }).click();
    await page.locator('.row-name').first().click();
    assert.equal(await page.locator('h1').innerText(), 'kubernetes');
    assert.ok(await page.locator('[data-quick]').isVisible(), 'the install line stands below the title');
    await page.goto(`${world.demo.origin}/provider/aws/versions`);
    await page.getByRole('button', { name: 'Compare the two' }).click();
    assert.deepEqual(compared(page), ['1.1.0', '1.2.0']);
    await page.goto(`${world.demo.origin}/provider/aws/v/1.2.0/files`);
    await page.getByRole('link', { name: 'README.md' }).click();
    assert.ok(await page.locator('#L1').isVisible());
    await context.close();
  });

  test('what only script can do is not shown without it', async () => {
    const { context, page } = await watched(world.browser, { javaScriptEnabled: false });
    for (const path of ['/', '/provider/aws', '/provider/aws/versions']) {
      await page.goto(world.demo.origin + path);
      assert.equal(await page.getByRole('button', { name: /Copy|Dark|Light/ }).count(), 0, path);
    }
    await context.close();
  });
}
