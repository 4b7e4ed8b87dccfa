// Backends that are down, silent, never heard, or empty.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { watched } from '../browser.mjs';
import { assertNone, eventually } from '../expect.mjs';
import { Gate } from '../gate.mjs';
import { examine, kind } from '../inspect.mjs';
import { Service, gitea, local, threeBackends } from '../service.mjs';

const SHOWN = [kind('/'), kind('/extensions'), kind('/provider/aws'), kind('/provider/aws/versions'), kind('/status')];

async function text(url) {
  const answer = await fetch(url, { headers: { accept: 'text/html' } });
  return answer.text();
}

export function outages(world) {
  test('the data of a backend that is down or silent is shown, and said to be old', async () => {
    // Twice the time to live makes data old.
    const { gate, service } = await threeBackends(world.environment, world.backends, 'outage', { cache: 'ttl_seconds = 1' });
    await eventually('the catalog is whole', async () => /hostile/.test(await text(`${service.origin}/search?q=hostile`)));
    for (const mode of ['closed', 'silent']) {
      gate.become(mode);
      await eventually('a page says that its data is old', async () =>
        /gitea has not answered since/.test(await text(`${service.origin}/provider/aws`)));
      assert.match(await text(`${service.origin}/status`), /degraded/);
      assertNone(await examine(world.browser, service.origin, SHOWN));
    }
    await service.stop();
    gate.stop();
  });

  test('a backend that was never heard is a missing part', async () => {
    const gate = await Gate.start(world.backends.places.gitea, 'closed');
    const { organization, layouts } = world.backends.places;
    const service = await Service.configured(world.environment, 'never-heard', gitea(gate.url, organization) + local(layouts));
    assertNone(await examine(world.browser, service.origin, [kind('/'), kind('/extensions'), kind('/status'), kind('/provider/aws', { status: 503 }), kind('/provider/aws?backend=local')]));
    const { context, page } = await watched(world.browser);
    await page.goto(service.origin);
    assert.match(await page.locator('.notice').first().innerText(), /Part of the catalog is missing/);
    await context.close();
    await service.stop();
    gate.stop();
  });

  test('without any answer every page says which backend is unavailable', async () => {
    const gate = await Gate.start(world.backends.places.gitea, 'silent');
    const service = await Service.configured(world.environment, 'nothing-heard', gitea(gate.url, world.backends.places.organization));
    assertNone(await examine(world.browser, service.origin, [kind('/', { status: 503 }), kind('/extensions', { status: 503 }), kind('/status')]));
    await service.stop();
    gate.stop();
  });

  test('an empty catalog says where it looks and how to begin', async () => {
    const service = await Service.configured(world.environment, 'empty', local(mkdtempSync(join(world.environment.scratch, 'layouts-'))));
    assertNone(await examine(world.browser, service.origin, [kind('/'), kind('/extensions'), kind('/search?q=x'), kind('/status')]));
    const { context, page } = await watched(world.browser);
    await page.goto(service.origin);
    assert.ok(await page.getByRole('heading', { name: 'The catalog is empty' }).isVisible());
    await context.close();
    await service.stop();
  });
}
