// The tests of the pages in Chromium: scripts/browser starts them.
import { after } from 'node:test';
import { World } from './world.mjs';
import { appearance } from './cases/appearance.mjs';
import { archives } from './cases/archives.mjs';
import { checks } from './cases/checks.mjs';
import { everyPage } from './cases/every_page.mjs';
import { hostile } from './cases/hostile.mjs';
import { keyboard } from './cases/keyboard.mjs';
import { links } from './cases/links.mjs';
import { outages } from './cases/outages.mjs';
import { places } from './cases/places.mjs';
import { reading } from './cases/reading.mjs';
import { withoutScript } from './cases/without_script.mjs';

const world = await World.start();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => world.stop().finally(() => process.exit(1)));
after(() => world.stop());

checks(world);
everyPage(world);
reading(world);
archives(world);
keyboard(world);
appearance(world);
withoutScript(world);
links(world);
places(world);
hostile(world);
outages(world);
