// Files of archives, and addresses of their lines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watched } from '../browser.mjs';
import { assertNone } from '../expect.mjs';

const FILE = '/provider/aws/v/1.2.0/files/README.md';

export function archives(world) {
  test('a reader opens folders and files of an archive', async () => {
    const { context, watch, page } = await watched(world.browser);
    await page.goto(`${world.demo.origin}/provider/aws`);
    await page.getByRole('link', { name: /^Files/ }).click();
    const folder = page.locator('.tree summary').first();
    const isOpen = () => folder.evaluate(summary => summary.parentElement.open);
    const before = await isOpen();
    await folder.click();
    assert.equal(await isOpen(), !before);
    await page.getByRole('link', { name: 'README.md' }).click();
    assert.match(await page.locator('.lines').innerText(), /AWS provider/);
    const raw = await page.request.get(await page.getByRole('link', { name: 'Raw file' }).evaluate(link => link.href));
    assert.match(raw.headers()['content-type'], /^text\/plain/);
    assert.equal(raw.headers()['content-security-policy'], "sandbox; default-src 'none'");
    assertNone(watch.takeFindings());
    await context.close();
  });

  test('lines are marked by a click, a range by a click with Shift, and both by their address', async () => {
    const { context, watch, page } = await watched(world.browser);
    const marked = () => page.locator('.lines .on').evaluateAll(lines => lines.map(line => line.id));
    await page.goto(world.demo.origin + FILE);
    await page.locator('#L3 a').click();
    assert.deepEqual(await marked(), ['L3']);
    await page.locator('#L5 a').click({ modifiers: ['Shift'] });
    assert.deepEqual(await marked(), ['L3', 'L4', 'L5']);
    assert.equal(new URL(page.url()).hash, '#L3-L5');
    await page.goto(`${world.demo.origin}/`);
    await page.goto(`${world.demo.origin}${FILE}#L2-L4`);
    assert.deepEqual(await marked(), ['L2', 'L3', 'L4']);
    assertNone(watch.takeFindings());
    await context.close();
  });

  test('an archive of another backend is fetched only by a link', async () => {
    const { context, watch, page } = await watched(world.browser);
    await page.goto(`${world.service.origin}/cluster/linked/v/1.1.0/files`);
    await page.getByRole('link', { name: /^Read the files/ }).click();
    await page.getByText('run.sh').waitFor();
    assert.match(await page.locator('.tree').innerText(), /link to \.\.\/\.\.\/etc\/passwd/);
    assert.match(await page.locator('.tree').innerText(), /runs as its owner/);
    assertNone(watch.takeFindings());
    await context.close();
  });
}
