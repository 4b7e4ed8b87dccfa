// Child processes of the tests: each is ended by its id.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

const running = new Set();

/** Starts a program, and returns it with the first part of its output that `pattern` captures. Its output goes to the file `log`. */
export async function start(log, pattern, program, ...args) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const file = createWriteStream(log);
  const found = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', line => {
        file.write(`${line}\n`);
        const match = pattern.exec(line);
        if (match) resolve(match[1]);
      });
    }
    child.once('error', reject);
    child.once('exit', code => reject(new Error(`${program} ended with ${code} before it was ready: see ${log}`)));
  });
  return { child, found: await found };
}

/** Ends a process, and waits until it has ended. */
export async function stop(child) {
  if (!running.has(child)) return;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

/** Ends every process that still runs. */
export async function stopAll() {
  await Promise.all([...running].map(stop));
}
