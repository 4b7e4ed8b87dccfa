// Every kind of page: first visits, all widths, both themes, accessibility.
import { test } from 'node:test';
import { examine, kind } from '../inspect.mjs';
import { assertNone } from '../expect.mjs';

const OF_THE_DEMO = [
  kind('/'),
  kind('/extensions'),
  kind('/extensions?type=provider&sort=published'),
  kind('/extensions?keyword=nothing'),
  kind('/search?q=kubernetes'),
  kind('/search?q=kubernets'),
  kind('/search?q=zzzzzz'),
  kind('/provider/aws'),
  kind('/provider/aws/v/1.0.0'),
  kind('/provider/aws/versions'),
  kind('/provider/aws/v/1.2.0/files'),
  kind('/provider/aws/v/1.2.0/files/README.md'),
  kind('/provider/aws/changes'),
  kind('/provider/aws/v/1.2.0/provenance'),
  kind('/status'),
  kind('/api', { budget: false }),
  kind('/provider/azure', { status: 404 }),
  kind('/extensions?page=0', { status: 400 }),
];

const OF_THREE_BACKENDS = [
  kind('/'),
  kind('/extensions'),
  kind('/provider/aws'),
  kind('/provider/aws?backend=oci'),
  kind('/provider/aws/versions'),
  kind('/provider/aws/v/1.2.0/files'),
  kind('/provider/aws/v/1.2.0/provenance'),
  kind('/provider/aws/changes?from=1.2.0&to=1.3.0@oci'),
  kind('/status'),
];

export function everyPage(world) {
  test('pages of the demo keep to the budgets, the policy and this host, fit every width, and axe finds nothing', async () => {
    assertNone(await examine(world.browser, world.demo.origin, OF_THE_DEMO));
  });

  test('pages of three backends keep to the budgets, the policy and this host, fit every width, and axe finds nothing', async () => {
    assertNone(await examine(world.browser, world.service.origin, OF_THREE_BACKENDS));
  });
}
