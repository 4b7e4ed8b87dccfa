// Draws the pictures of docs/images: pages of the demo, wide in both themes and narrow in the dark one.
// The status is that of three backends, of which one is down.
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NARROW, WIDE, unguarded } from './browser.mjs';
import { eventually } from './expect.mjs';
import { World } from './world.mjs';

const LOOKS = [
  { suffix: '1280-light', viewport: WIDE, colorScheme: 'light' },
  { suffix: '1280-dark', viewport: WIDE, colorScheme: 'dark' },
  { suffix: '360-dark', viewport: NARROW, colorScheme: 'dark' },
];

const OF_THE_DEMO = {
  home: '/',
  list: '/extensions',
  extension: '/taskserv/kubernetes',
  versions: '/provider/aws/versions',
  changes: '/provider/aws/changes',
  provenance: '/taskserv/kubernetes/v/1.31.0/provenance',
};

/** Bytes of a picture. */
const LARGEST = 120 * 1024;

/** Shows addresses as users have them, in place of those of the run. */
function rename(page, addresses) {
  return page.evaluate(pairs => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const [address, shown] of pairs) texts.currentNode.data = texts.currentNode.data.replaceAll(address, shown);
    }
  }, Object.entries(addresses));
}

/** Text needs few colors. */
function smaller(png) {
  return execFileSync('pngquant', ['--speed', '1', '--strip', '128', '-'], { input: png });
}

async function draw(world, directory, origin, pages, addresses = {}) {
  for (const { suffix, ...look } of LOOKS) {
    const { context, page } = await unguarded(world.browser, look);
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(origin + path);
      await rename(page, { [origin]: 'https://extensions.example.com', ...addresses });
      const file = join(directory, `${name}-${suffix}.png`);
      writeFileSync(file, smaller(await page.screenshot()));
      const { size } = statSync(file);
      if (size > LARGEST) throw new Error(`${file} has ${size} bytes, of ${LARGEST}`);
      console.log(`drew ${file}, ${size} bytes`);
    }
    await context.close();
  }
}

const directory = process.argv[2];
mkdirSync(directory, { recursive: true });
const world = await World.start();
try {
  await draw(world, directory, world.demo.origin, OF_THE_DEMO);
  world.gate.become('closed');
  await eventually('the status names the outage', async () => /degraded/.test(await (await fetch(`${world.service.origin}/status`, { headers: { accept: 'text/html' } })).text()));
  const { registry, layouts } = world.backends.places;
  await draw(world, directory, world.service.origin, { status: '/status' }, {
    [world.gate.url]: 'https://git.example.com/',
    [registry]: 'https://registry.example.com',
    [layouts]: '/srv/extensions',
  });
} finally {
  await world.stop();
}
