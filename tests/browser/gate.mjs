// A TCP relay in front of a backend, which can refuse connections or keep silent.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class Gate {
  #target;
  #mode = 'open';
  #sockets = new Set();
  #server = createServer(socket => this.#accept(socket));

  /** @param {string} target address of the backend, such as `http://127.0.0.1:3000/` */
  constructor(target) {
    this.#target = new URL(target);
  }

  /** Starts in a mode: `open` relays, `closed` ends each connection, `silent` never answers. */
  static async start(target, mode = 'open') {
    const gate = new Gate(target);
    gate.#mode = mode;
    gate.#server.listen(0, '127.0.0.1');
    // A gate that a failed case left open does not keep the run alive.
    gate.#server.unref();
    await once(gate.#server, 'listening');
    return gate;
  }

  /** Address of the gate, with the scheme and the path of its backend. */
  get url() {
    const url = new URL(this.#target);
    url.port = this.#server.address().port;
    return url.href;
  }

  /** Changes the mode. Connections of the former mode are cut. */
  become(mode) {
    this.#mode = mode;
    for (const socket of this.#sockets) socket.destroy();
  }

  stop() {
    this.become('closed');
    this.#server.close();
  }

  #accept(socket) {
    this.#keep(socket);
    if (this.#mode === 'closed') socket.destroy();
    if (this.#mode !== 'open') return;
    const backend = connect(this.#target.port, this.#target.hostname);
    this.#keep(backend);
    socket.pipe(backend).pipe(socket);
    socket.once('close', () => backend.destroy());
    backend.once('close', () => socket.destroy());
  }

  #keep(socket) {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => { /* The other side sees the end of the connection. */ });
  }
}
