// The program under test, with configurations that the cases need.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { start, stop } from './processes.mjs';
import { Gate } from './gate.mjs';

export class Service {
  #child;

  /** @param {string} origin such as `http://127.0.0.1:8082` */
  constructor(name, origin, child) {
    this.name = name;
    this.origin = origin;
    this.#child = child;
  }

  /** Starts the program. `name` stands in messages and in the name of the log. */
  static async start(environment, name, ...args) {
    const log = join(environment.scratch, `${name}.log`);
    const { child, found } = await start(log, /"address":"([^"]+)"/, environment.program, '--port', '0', '--json-log', ...args);
    return new Service(name, `http://${found}`, child);
  }

  /** Starts the program over backends, which are sections in TOML. `server` and `cache` are further keys of these sections. */
  static async configured(environment, name, backends, { server = '', cache = '' } = {}) {
    const directory = mkdtempSync(join(environment.scratch, `${name}-`));
    const file = join(directory, 'config.toml');
    const own = `[server]\nhost = "127.0.0.1"\n${server}\n[cache]\nstate_dir = "${directory}/state"\n${cache}\n`;
    writeFileSync(file, own + backends);
    return Service.start(environment, name, '--config', file);
  }

  stop() {
    return stop(this.#child);
  }
}

/** Backends that run beside the program: Gitea with hostile contents, a registry, image layouts. */
export class Backends {
  #child;

  constructor(places, child) {
    this.places = places;
    this.#child = child;
  }

  static async start(environment) {
    const log = join(environment.scratch, 'backends.log');
    const { child, found } = await start(log, /^(\{.*\})$/, environment.backends);
    return new Backends(JSON.parse(found), child);
  }

  stop() {
    return stop(this.#child);
  }
}

/** Sections of a configuration for these backends. */
export function gitea(url, organization) {
  return `[gitea]\nurl = "${url}"\norganization = "${organization}"\ntimeout_seconds = 5\nretries = 0\n`;
}

export function oci(url, namespace) {
  return `[oci]\nregistry = "${url.replace(/\/$/, '')}"\nnamespace = "${namespace}"\ntimeout_seconds = 5\nretries = 0\n`;
}

export function local(path) {
  return `[local]\npath = "${path}"\n`;
}

/** All three backends. Gitea is behind a gate. */
export async function threeBackends(environment, { places }, name, settings) {
  const gate = await Gate.start(places.gitea);
  const toml = gitea(gate.url, places.organization) + oci(places.registry, places.namespace) + local(places.layouts);
  return { gate, service: await Service.configured(environment, name, toml, settings) };
}
