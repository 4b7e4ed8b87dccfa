// Contents that attack pages: they run nothing, load nothing and break no layout.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watched } from '../browser.mjs';
import { assertNone } from '../expect.mjs';
import { examine, kind } from '../inspect.mjs';

const LONG_NAME = 'a-very-long-name-'.repeat(6).slice(0, 95);

const TEXTS = [
  kind('/'),
  kind('/search?q=hostile'),
  kind('/provider/hostile'),
  kind('/provider/hostile/versions'),
  kind('/provider/hostile/v/1.1.0/files?fetch=1'),
  kind('/provider/hostile/v/1.1.0/files/hostile/main.sh?fetch=1'),
  kind('/provider/hostile/changes?fetch=1'),
  kind('/provider/hostile/v/1.1.0/provenance'),
  kind(`/provider/${LONG_NAME}`),
  kind(`/provider/${LONG_NAME}/versions`),
  kind('/taskserv/unbroken', { budget: false }),
  kind('/taskserv/unbroken/v/1.0.0/files?fetch=1'),
  kind(`/search?q=${'x'.repeat(200)}`),
  kind(`/provider/${'%22%3E%3Csvg%20onload=canary(7)%3E'}`, { status: 400 }),
];

const LARGE = { budget: false, axe: 'never', widths: [320, 1280] };

const AMOUNTS = [
  kind('/taskserv/frequent/versions', { budget: false, axe: 'once' }),
  kind('/taskserv/frequent/v/1.0.0/provenance', { budget: false, axe: 'never' }),
  kind('/taskserv/novel', LARGE),
  kind('/cluster/linked/v/1.1.0/files?fetch=1'),
  kind('/cluster/linked/changes?fetch=1'),
  kind('/cluster/crowd/v/1.0.0/files?fetch=1', LARGE),
  kind('/cluster/bomb/v/1.0.0/files?fetch=1'),
  kind('/cluster/lines/v/1.0.0/files/lines/shown.txt?fetch=1', { ...LARGE, axe: 'once' }),
  kind('/cluster/lines/v/1.0.0/files/lines/large.txt?fetch=1'),
];

export function hostile(world) {
  test('hostile texts run and load nothing, fit every width, and axe finds nothing', async () => {
    assertNone(await examine(world.browser, world.service.origin, TEXTS));
  });

  test('large contents run and load nothing, fit every width, and axe finds nothing', async () => {
    assertNone(await examine(world.browser, world.service.origin, AMOUNTS));
  });

  test('hostile texts become neither handlers nor scripts nor addresses of scripts', async () => {
    const { context, watch, page } = await watched(world.browser);
    const findings = [];
    for (const { path } of TEXTS) {
      watch.expectFailure(world.service.origin + path);
      await page.goto(world.service.origin + path);
      findings.push(...await page.evaluate(() => [...document.querySelectorAll('*')].flatMap(element =>
        [...element.attributes]
          .filter(({ name, value }) => name.startsWith('on') || name === 'style' || name === 'srcdoc' || /^\s*(javascript|data):/i.test(value))
          .map(({ name }) => `${location.pathname}: ${name} of ${element.outerHTML.slice(0, 120)}`))));
      // Pointers and keys touch whatever a publisher wrote.
      for (const element of await page.locator('.readme p, .readme svg, .readme summary, .lead').all()) {
        if (await element.isVisible()) await element.hover();
      }
    }
    assertNone([...findings, ...watch.takeFindings()]);
    await context.close();
  });

  test('a README neither covers the page nor takes its focus', async () => {
    const { context, page } = await watched(world.browser);
    await page.goto(`${world.service.origin}/provider/hostile`);
    assert.ok(await page.evaluate(() => document.activeElement === document.body), 'the page has the focus');
    const top = await page.evaluate(() => document.elementFromPoint(640, 20).closest('.top') !== null);
    assert.ok(top, 'the header is on top');
    assert.equal(await page.locator('#main').count(), 1);
    assert.equal(await page.locator('h1').count(), 1);
    await context.close();
  });

  test('raw files of publishers are neither run nor shown as pages', async () => {
    const { context, watch, page } = await watched(world.browser);
    for (const file of ['page.html', 'picture.svg']) {
      const url = `${world.service.origin}/provider/hostile/v/1.1.0/files/hostile/${file}?raw=1`;
      const answer = await page.request.get(url);
      const { 'content-type': type, 'content-disposition': disposition, 'content-security-policy': policy } = answer.headers();
      assert.equal(answer.status(), 200, url);
      assert.ok(/^text\/plain/.test(type) || /^attachment/.test(disposition), `${url}: ${type}, ${disposition}`);
      assert.equal(policy, "sandbox; default-src 'none'");
    }
    assertNone(watch.takeFindings());
    await context.close();
  });
}
