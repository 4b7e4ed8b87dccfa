// The checks themselves: each reports a page that does wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NARROW, unguarded, watched } from '../browser.mjs';
import { accessibility } from '../checks/accessibility.mjs';
import { overflow } from '../checks/overflow.mjs';
import { shifts } from '../checks/first_visit.mjs';

/** Each lets a page do something that the watch has to report. */
const WRONGS = {
  'forbids inline': () => { document.body.append(Object.assign(document.createElement('script'), { text: '1' })); },
  'forbids https://pictures.example': () => { new Image().src = 'https://pictures.example/a.png'; },
  'a script of a publisher ran: x': () => window.canary('x'),
  'a dialog was opened: x': () => window.alert('x'),
  'an error was thrown': () => { setTimeout(() => { throw new Error('x'); }); },
  'the console has: x': () => console.error('x'),
};

export function checks(world) {
  test('the watch reports what a page must not do', async () => {
    const { context, watch, page } = await watched(world.browser);
    for (const [text, wrong] of Object.entries(WRONGS)) {
      await page.goto(world.demo.origin);
      await page.evaluate(wrong);
      await page.evaluate(() => new Promise(done => setTimeout(done)));
      const findings = watch.takeFindings();
      assert.ok(findings.some(finding => finding.includes(text)), `${text} is not among: ${findings.join('\n')}`);
    }
    await context.close();
  });

  test('the watch reports requests to other hosts', async () => {
    const { context, page, watch } = await watched(world.browser, { bypassCSP: true });
    await page.goto(world.demo.origin);
    await page.evaluate(() => fetch('http://elsewhere.invalid/').catch(() => {}));
    assert.match(watch.takeFindings().join('\n'), /asked another host: http:\/\/elsewhere\.invalid/);
    await context.close();
  });

  test('overflow is reported with the element that causes it', async () => {
    const { context, page } = await unguarded(world.browser, { viewport: NARROW });
    await page.setContent('<body><div class="wide">x</div><style>.wide{width:500px}</style>');
    assert.match((await overflow(page)).join(), /<div\.wide> ends at 5\d\d of 360 px/);
    await context.close();
  });

  test('axe reports a field without a label', async () => {
    const { context, page } = await unguarded(world.browser);
    await page.setContent('<title>t</title><main><h1>h</h1><input></main>');
    assert.match((await accessibility(page)).join('\n'), /^label .*<input>/m);
    await context.close();
  });

  test('a layout that moves is reported', async () => {
    const { context, page } = await watched(world.browser);
    await page.goto(world.demo.origin);
    await page.evaluate(() => document.querySelector('main').prepend(Object.assign(document.createElement('pre'), { textContent: '\n\n\n' })));
    assert.match((await shifts(page)).join(), /the layout shifted by 0\.\d+: </);
    await context.close();
  });
}
