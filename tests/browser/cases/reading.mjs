// What readers do: search, filter, page, open, switch the version, compare, copy.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NARROW, watched } from '../browser.mjs';
import { shifts } from '../checks/first_visit.mjs';
import { assertNone, compared } from '../expect.mjs';

/** Runs a case in a page that is watched, and fails on what the watch reports. */
async function visiting(world, options, visit) {
  const { context, watch, page } = await watched(world.browser, options);
  await visit(page);
  assertNone(watch.takeFindings());
  await context.close();
}

const heading = page => page.locator('h1').innerText();

export function reading(world) {
  const origin = () => world.demo.origin;

  test('a reader searches and opens the first result', () => visiting(world, {}, async page => {
    await page.goto(origin());
    await page.getByRole('searchbox').or(page.getByRole('combobox', { name: 'Search extensions' })).fill('compute network');
    await page.getByRole('button', { name: 'Search' }).click();
    assert.match(page.url(), /\/search\?q=compute\+network$/);
    await page.locator('.row-name').first().click();
    assert.match(new URL(page.url()).pathname, /^\/(provider|taskserv|cluster)\/[^/]+$/);
  }));

  test('suggestions appear while a reader types, and a click opens one', () => visiting(world, {}, async page => {
    await page.goto(origin());
    await page.locator('#q').pressSequentially('kub');
    await page.getByRole('option', { name: /kubernetes/ }).click();
    await page.waitForURL('**/taskserv/kubernetes');
    assert.equal(await heading(page), 'kubernetes');
  }));

  test('filters never lead to an empty list, and say how many they leave', () => visiting(world, {}, async page => {
    await page.goto(`${origin()}/extensions`);
    const filters = await page.locator('.filters a:has(.count)').evaluateAll(links =>
      links.map(link => ({ href: link.href, count: Number(link.querySelector('.count').textContent) })));
    assert.ok(filters.length >= 4, `${filters.length} filters`);
    for (const { href, count } of filters) {
      await page.goto(href);
      assert.equal(await page.locator('.rows > li').count(), count, href);
      assert.ok(count > 0, href);
    }
  }));

  test('a list of many is read page by page', () => visiting(world, {}, async page => {
    await page.goto(`${world.service.origin}/extensions?limit=50`);
    const names = new Set();
    for (;;) {
      for (const name of await page.locator('.row-name').evaluateAll(links => links.map(link => link.href))) names.add(name);
      const next = page.getByRole('link', { name: 'Next' });
      if (await next.count() === 0) break;
      await next.click();
    }
    const total = await page.locator('.title .meta').innerText();
    assert.equal(`${names.size} extensions`, total);
  }));

  test('an older version says so, and leads to the same tab of the latest', () => visiting(world, {}, async page => {
    await page.goto(`${origin()}/provider/aws`);
    await page.getByRole('link', { name: /^Versions/ }).click();
    await page.getByRole('link', { name: '1.0.0', exact: true }).click();
    await page.getByRole('link', { name: 'Provenance' }).click();
    assert.match(await page.locator('.notice').innerText(), /older than the latest/);
    await page.getByRole('link', { name: 'Go to 1.2.0' }).click();
    assert.equal(new URL(page.url()).pathname, '/provider/aws/v/1.2.0/provenance');
  }));

  test('a reader compares two versions', () => visiting(world, {}, async page => {
    await page.goto(`${origin()}/provider/aws/versions`);
    await page.getByRole('radio', { name: 'From 1.0.0' }).check();
    await page.getByRole('radio', { name: 'To 1.1.0' }).check();
    await page.getByRole('button', { name: 'Compare the two' }).click();
    assert.deepEqual(compared(page), ['1.0.0', '1.1.0']);
    assert.ok(await page.locator('.diff .add').count() > 0, 'a line is added');
    await page.getByRole('combobox', { name: 'to' }).selectOption('1.2.0');
    await page.getByRole('button', { name: 'Compare', exact: true }).click();
    assert.deepEqual(compared(page), ['1.0.0', '1.2.0']);
  }));

  test('the line that is copied installs the archive', () => visiting(world, {
    permissions: ['clipboard-read', 'clipboard-write'],
  }, async page => {
    await page.goto(`${origin()}/provider/aws`);
    const button = page.locator('[data-kind=curl]').getByRole('button', { name: 'Copy these lines' });
    await button.click();
    await page.getByText('Copied').first().waitFor();
    const line = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(line.startsWith('curl '), line);
    const directory = mkdtempSync(join(world.environment.scratch, 'install-'));
    const said = execFileSync('sh', ['-ec', line], { cwd: directory, encoding: 'utf8', env: { ...process.env, no_proxy: '127.0.0.1' } });
    assert.equal(said, 'aws-1.2.0.tar.gz: OK\n');
    assert.deepEqual(readdirSync(directory), ['aws-1.2.0.tar.gz']);
  }));

  test('a digest is copied whole', () => visiting(world, {
    permissions: ['clipboard-read', 'clipboard-write'],
  }, async page => {
    await page.goto(`${origin()}/provider/aws/versions`);
    await page.locator('tbody tr').first().getByRole('button').click();
    await page.getByText('Copied').first().waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^sha256:[0-9a-f]{64}$/);
  }));

  test('the install lines of the kind that was read last are open at the next visit, and nothing moves', () => visiting(world, {}, async page => {
    await page.goto(`${origin()}/provider/aws`);
    await page.getByText('Ansible', { exact: true }).click();
    await page.goto(`${origin()}/taskserv/kubernetes`);
    assert.equal(await page.locator('.install details[open]').getAttribute('data-kind'), 'ansible');
    assertNone(await shifts(page));
    await page.setViewportSize(NARROW);
    await page.reload();
    assert.match(await page.locator('[data-quick]').innerText(), /ansible\.builtin\.get_url/);
  }));
}
