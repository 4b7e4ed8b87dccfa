// Pages below a path, and pages that need a token.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { watched } from '../browser.mjs';
import { assertNone } from '../expect.mjs';
import { Service, local } from '../service.mjs';

/** Searches with suggestions, and opens one. */
async function openBySuggestion(page, home) {
  await page.goto(home);
  await page.locator('#q').pressSequentially('kub');
  await page.getByRole('option', { name: /kubernetes/ }).click();
  await page.waitForURL(/\/taskserv\/kubernetes$/);
  assert.equal(await page.locator('h1').innerText(), 'kubernetes');
}

export function places(world) {
  const layouts = () => local(world.backends.places.layouts);

  test('pages below a path lead to pages below it', async () => {
    const settings = { server: 'base_path = "/registry"' };
    const service = await Service.configured(world.environment, 'below-a-path', layouts(), settings);
    const { context, watch, page } = await watched(world.browser);
    const home = `${service.origin}/registry/`;
    await openBySuggestion(page, home);
    assert.ok(page.url().startsWith(home), page.url());
    for (const link of await page.locator('a[href]').evaluateAll(links => links.map(({ href }) => href))) {
      assert.ok(!link.startsWith(service.origin) || link.startsWith(home), link);
    }
    assertNone(watch.takeFindings());
    await context.close();
    await service.stop();
  });

  test('a browser is asked for the token once, and the suggestions use it', async () => {
    const token = 'token-of-a-reader';
    const file = join(world.environment.scratch, 'tokens.txt');
    writeFileSync(file, `reader ${createHash('sha256').update(token).digest('hex')}\n`, { mode: 0o600 });
    const service = await Service.configured(world.environment, 'closed', `${layouts()}[auth]\ntokens_path = "${file}"\n`);
    // Without an answer to its question the browser shows no page.
    const refused = await fetch(service.origin, { headers: { accept: 'text/html' } });
    assert.equal(refused.status, 401);
    assert.match(await refused.text(), /A token is required/);
    const { context, watch, page } = await watched(world.browser, { httpCredentials: { username: 'any', password: token } });
    await openBySuggestion(page, `${service.origin}/`);
    assertNone(watch.takeFindings());
    await context.close();
    await service.stop();
  });
}
