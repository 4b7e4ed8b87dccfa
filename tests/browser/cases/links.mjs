// Every link of every page of the demo, and the places in pages that links name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unguarded, watched } from '../browser.mjs';
import { assertNone } from '../expect.mjs';

/** Fetches a page inside the browser, whose parser finds the links and the ids. */
function read(page, url) {
  return page.evaluate(async address => {
    const answer = await fetch(address, { headers: { accept: 'text/html' } });
    const found = { status: answer.status, links: [], ids: [] };
    if (!answer.headers.get('content-type')?.startsWith('text/html')) return found;
    const parsed = new DOMParser().parseFromString(await answer.text(), 'text/html');
    parsed.head.prepend(Object.assign(parsed.createElement('base'), { href: answer.url }));
    found.ids = [...parsed.querySelectorAll('[id]')].map(element => element.id);
    found.links = [...parsed.querySelectorAll('a, link, script, img, form')]
      .map(element => element.href?.baseVal ?? element.href ?? element.src ?? element.action)
      .filter(Boolean);
    return found;
  }, url);
}

export function links(world) {
  test('no link of the demo is dead, and each place in a page that a link names exists', async () => {
    const { context, page } = await unguarded(world.browser);
    const { origin } = world.demo;
    await page.goto(origin);
    const findings = [], places = [], idsOf = new Map(), linkedFrom = new Map(), left = [`${origin}/`];
    const known = new Set(left);
    const visit = async url => {
      const { status, links: hrefs, ids } = await read(page, url);
      if (status !== 200) findings.push(`${url}: status ${status}, linked from ${linkedFrom.get(url)}`);
      idsOf.set(url, new Set(ids));
      for (const href of hrefs) {
        const [address, place] = href.split('#');
        if (place) places.push({ url, address, place });
        // Facets multiply: lists of lists are followed once. A search needs words.
        const isFollowed = href.startsWith(origin) && href.split('&').length <= 2 && !address.endsWith('/search');
        if (isFollowed && !known.has(address)) {
          known.add(address);
          linkedFrom.set(address, url);
          left.push(address);
        }
      }
    };
    // One at a time: the service refuses to read more than two archives at once.
    while (left.length > 0) await visit(left.pop());
    for (const { url, address, place } of places) {
      const ids = idsOf.get(address);
      if (ids && !ids.has(decodeURIComponent(place)) && !/^L\d+$/.test(place)) findings.push(`${url}: ${address} has no place #${place}`);
    }
    assert.ok(known.size > 200, `${known.size} addresses`);
    assertNone(findings);
    await context.close();
  });

  test('a slash at the end of an address leads to the page', async () => {
    const { context, watch, page } = await watched(world.browser);
    for (const path of ['/extensions', '/status', '/api', '/provider/aws', '/provider/aws/versions', '/provider/aws/changes',
      '/provider/aws/v/1.2.0', '/provider/aws/v/1.2.0/files', '/provider/aws/v/1.2.0/provenance']) {
      const response = await page.goto(`${world.demo.origin}${path}/`);
      assert.equal(response.status(), 200, path);
      assert.equal(page.url(), world.demo.origin + path);
    }
    assertNone(watch.takeFindings());
    await context.close();
  });
}
