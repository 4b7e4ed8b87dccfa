// What the cases share: one browser, the demo, and the program over three backends.
import { launch } from './browser.mjs';
import { environment } from './environment.mjs';
import { stopAll } from './processes.mjs';
import { Backends, Service, threeBackends } from './service.mjs';

export class World {
  static async start() {
    const world = new World();
    world.environment = environment;
    [world.browser, world.demo, world.backends] = await Promise.all([
      launch(),
      Service.start(environment, 'demo', '--demo'),
      Backends.start(environment),
    ]);
    Object.assign(world, await threeBackends(environment, world.backends, 'three-backends'));
    return world;
  }

  async stop() {
    this.gate.stop();
    await this.browser.close();
    await stopAll();
  }
}
