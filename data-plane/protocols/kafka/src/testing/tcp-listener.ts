import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Accept, ListenerInfo, Runtime, Transport } from '@robustmq/wire';
import { SILENT_LOG } from '@robustmq/wire';

/** The world as it is, for tests with real clients. */
export const REAL_RUNTIME: Runtime = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  afterPoll: (run) => void setImmediate(run),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every: (periodMs, run) => {
    const timer = setInterval(run, periodMs);
    timer.unref();
    return () => clearInterval(timer);
  },
  randomBytes: (size) => Buffer.from(crypto.getRandomValues(new Uint8Array(size))),
  log: SILENT_LOG,
};

/** Ports that are bound at once; other test files claim theirs above 20500 and bind later. */
const FIRST_PORT = 10_000;
const PORTS = 2_000;

/** Listens on a free loopback port and hands every socket to `accept`. */
export async function listen(accept: () => Accept): Promise<{ port: number; close: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    attach(socket, accept(), sockets);
  });
  const port = await bind(server);
  return {
    port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function bind(server: Server): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    const bound = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (bound) return (server.address() as AddressInfo).port;
  }
  throw new Error('no free port');
}

const LISTENER: ListenerInfo = { name: 'kafka', tls: false, namespace: null };

function attach(socket: Socket, accept: Accept, sockets: Set<Socket>): void {
  const transport: Transport = {
    remoteAddress: socket.remoteAddress ?? '',
    remotePort: socket.remotePort ?? 0,
    listener: LISTENER,
    serverName: null,
    get writableLength() {
      return socket.writableLength;
    },
    write: (bytes) => void socket.write(bytes),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
  const handler = accept(transport);
  socket.on('data', (chunk: Buffer) => handler.onData(chunk, chunk.length));
  socket.on('drain', () => handler.onDrain());
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    sockets.delete(socket);
    handler.onClose(null);
  });
}
