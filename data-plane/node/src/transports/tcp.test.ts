import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SILENT_LOG, type ListenerInfo, type Transport, type TransportHandler } from '@robustmq/wire';
import { systemRuntime } from '../runtime.ts';
import { TcpListener } from './tcp.ts';

vi.setConfig({ testTimeout: 30_000 });

const INFO: ListenerInfo = { name: 'test', tls: false, namespace: null };

/** Records what a transport does; behaviour is added per test. */
class Recorder implements TransportHandler {
  readonly transport: Transport;
  readonly chunks: Buffer[] = [];
  drains = 0;
  closes = 0;
  closedWith: Error | null = null;
  onBytes: (bytes: Buffer) => void = () => {};
  constructor(transport: Transport) {
    this.transport = transport;
  }
  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }
  onData(chunk: Buffer, length: number): void {
    const bytes = Buffer.from(chunk.subarray(0, length));
    this.chunks.push(bytes);
    this.onBytes(bytes);
  }
  onDrain(): void {
    this.drains++;
  }
  onClose(error: Error | null): void {
    this.closes++;
    this.closedWith = error;
  }
}
class InPlaceRecorder extends Recorder {
  readonly own = Buffer.alloc(10);
  foreign = 0;
  readBuffer(): Buffer {
    return this.own;
  }
  override onData(chunk: Buffer, length: number): void {
    if (chunk.buffer !== this.own.buffer) this.foreign++;
    super.onData(chunk, length);
  }
}

const open: { listener: TcpListener; clients: Socket[] }[] = [];
afterEach(() => {
  for (const { listener, clients } of open.splice(0)) {
    clients.forEach((client) => client.destroy());
    listener.destroyConnections();
    listener.stopAccepting();
  }
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function pair<R extends Recorder>(
  sharedReads: boolean,
  make: (transport: Transport) => R,
  connectionsMax = 100,
): Promise<{ listener: TcpListener; client: Socket; server: R; port: number; servers: R[] }> {
  const servers: R[] = [];
  const listener = new TcpListener({
    address: { name: 'test', host: '127.0.0.1', port: 0 },
    info: INFO,
    accept: (transport) => {
      const handler = make(transport);
      servers.push(handler);
      return handler;
    },
    runtime: systemRuntime(SILENT_LOG),
    connectionsMax,
    sharedReads,
  });
  const port = await listener.open();
  const client = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  client.on('error', () => {});
  open.push({ listener, clients: [client] });
  await once(client, 'connect');
  await until(() => servers.length === 1);
  return { listener, client, server: servers[0]!, port, servers };
}

describe.each([
  ['shared read buffer', true],
  ["'data' events", false],
])('tcp transport with %s', (_name, sharedReads) => {
  it('hands over bytes however they are split', async () => {
    const { client, server } = await pair(sharedReads, (t) => new Recorder(t));
    expect(server.transport.remoteAddress).toBe('127.0.0.1');
    expect(server.transport.remotePort).toBe(client.localPort);
    client.write('he');
    await until(() => server.text === 'he');
    client.write('llo');
    await until(() => server.text === 'hello');
    const big = 'x'.repeat(300_000);
    client.write(big);
    await until(() => server.text.length === big.length + 5);
    expect(server.text).toBe('hello' + big);
  });

  it('reads into the buffer the handler gives', async () => {
    const { client, server } = await pair(sharedReads, (t) => new InPlaceRecorder(t));
    client.write('0123456789abcdefghijklmnopqrstuvwxyz');
    await until(() => server.text.length === 36);
    expect(server.text).toBe('0123456789abcdefghijklmnopqrstuvwxyz');
    expect(server.foreign).toBe(0);
    expect(Math.max(...server.chunks.map((chunk) => chunk.length))).toBeLessThanOrEqual(10);
  });

  it('sends in order, reports what the kernel has not taken, and drains once', async () => {
    const { client, server } = await pair(sharedReads, (t) => new Recorder(t));
    client.pause();
    server.transport.write(Buffer.from('small'));
    expect(server.transport.writableLength).toBe(0);
    let sent = 5;
    while (server.transport.writableLength === 0) {
      server.transport.write(Buffer.alloc(200_000, 'y'));
      sent += 200_000;
    }
    server.transport.write(Buffer.from('end'));
    sent += 3;
    expect(server.drains).toBe(0);
    let received = 0;
    let tail = '';
    client.on('data', (chunk: Buffer) => {
      received += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-3);
    });
    client.resume();
    await until(() => received === sent && server.drains > 0);
    expect(tail).toBe('end');
    expect(server.drains).toBe(1);
    expect(server.transport.writableLength).toBe(0);
  });

  it('sends pieces in one go as if they were written one by one', async () => {
    const { client, server } = await pair(sharedReads, (t) => new Recorder(t));
    client.pause();
    server.transport.write(Buffer.from('<'));
    server.transport.writeAll!([Buffer.from('a'), Buffer.from('b')]);
    expect(server.transport.writableLength).toBe(0);
    let sent = 3;
    while (server.transport.writableLength === 0) {
      server.transport.writeAll!([Buffer.alloc(100_000, 'y'), Buffer.alloc(100_000, 'z')]);
      sent += 200_000;
    }
    server.transport.writeAll!([Buffer.from('>')]);
    sent++;
    const received: Buffer[] = [];
    client.on('data', (chunk: Buffer) => received.push(chunk));
    client.resume();
    await until(() => Buffer.concat(received).length === sent && server.drains > 0);
    const text = Buffer.concat(received).toString('latin1');
    expect([text.slice(0, 4), text.at(-1), server.drains]).toEqual(['<aby', '>', 1]);
  });

  it('stops and goes on reading', async () => {
    const { client, server } = await pair(sharedReads, (t) => new Recorder(t));
    server.onBytes = () => server.transport.pause();
    client.write('a');
    await until(() => server.text === 'a');
    client.write('b');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(server.text).toBe('a');
    server.onBytes = () => {};
    server.transport.resume();
    await until(() => server.text === 'ab');
  });

  it('delivers everything written before end, then closes once, and hands over nothing more', async () => {
    const { client, server, listener } = await pair(sharedReads, (t) => new Recorder(t));
    const got: Buffer[] = [];
    client.on('data', (chunk: Buffer) => got.push(chunk));
    client.write('unread');
    await until(() => server.text === 'unread');
    server.transport.write(Buffer.alloc(500_000, 'z'));
    server.transport.end();
    server.transport.end();
    server.transport.write(Buffer.from('after end'));
    client.write('late');
    await once(client, 'end');
    expect(Buffer.concat(got).length).toBe(500_000);
    client.end();
    await until(() => server.closes > 0);
    expect(server.text).toBe('unread');
    expect(server.closes).toBe(1);
    expect(server.closedWith).toBeNull();
    expect(listener.connections).toBe(0);
  });

  it('closes without waiting for a client that said goodbye, and only after what was written', async () => {
    const { client, server } = await pair(sharedReads, (transport) => new Recorder(transport));
    const got: Buffer[] = [];
    client.on('data', (bytes: Buffer) => got.push(bytes));
    client.write('bye');
    await until(() => server.text === 'bye');
    server.transport.write(Buffer.from('farewell'));
    server.transport.finish!();
    server.transport.write(Buffer.from('never'));
    await once(client, 'end');
    expect(Buffer.concat(got).toString()).toBe('farewell');
    await until(() => server.closes === 1);
  });

  it('is an ordinary end for a client that said goodbye while bytes are on their way to it', async () => {
    const { client, server } = await pair(sharedReads, (transport) => new Recorder(transport));
    const large = Buffer.alloc(8 << 20, 7);
    let bytes = 0;
    client.on('data', (chunk: Buffer) => (bytes += chunk.length));
    client.pause();
    server.transport.write(large);
    expect(server.transport.writableLength).toBeGreaterThan(0);
    server.transport.finish!();
    client.resume();
    await once(client, 'end');
    expect(bytes).toBe(large.length);
  });

  it('never writes to the descriptor of a connection that is gone', async () => {
    const { client, server, port, servers } = await pair(sharedReads, (transport) => new Recorder(transport));
    client.resume();
    server.transport.destroy();
    await once(client, 'end');
    // the next connection gets the descriptor that was given back
    const next = connect(port, '127.0.0.1');
    const got: Buffer[] = [];
    next.on('data', (bytes: Buffer) => got.push(bytes));
    await until(() => servers.length === 2);
    server.transport.write(Buffer.from('for somebody else'));
    servers[1]!.transport.write(Buffer.from('mine'));
    servers[1]!.transport.end();
    next.end();
    await once(next, 'end');
    expect(Buffer.concat(got).toString()).toBe('mine');
  });

  it('cuts a client that does not close after end', async () => {
    const { client, server } = await pair(sharedReads, (t) => new Recorder(t));
    client.resume();
    server.transport.end();
    await until(() => server.closes === 1);
    expect(server.closes).toBe(1);
  });

  it('reports a close by the client once, with the error of a reset', async () => {
    const { client, server, listener } = await pair(sharedReads, (t) => new Recorder(t));
    client.resetAndDestroy();
    await until(() => server.closes > 0);
    expect(server.closes).toBe(1);
    expect((server.closedWith as NodeJS.ErrnoException | null)?.code).toBe('ECONNRESET');
    expect(listener.connections).toBe(0);
    server.transport.write(Buffer.from('x'));
    server.transport.destroy();
    expect(server.closes).toBe(1);
  });

  it('may be written, ended or destroyed while it is being accepted', async () => {
    const spoken = await pair(sharedReads, (t) => {
      t.write(Buffer.from('hi'));
      t.write(Buffer.from(' there'));
      t.end();
      return new Recorder(t);
    });
    const [bytes] = (await once(spoken.client, 'data')) as [Buffer];
    expect(bytes.toString()).toBe('hi there');
    const cut = await pair(sharedReads, (t) => {
      t.destroy();
      return new Recorder(t);
    });
    await until(() => cut.server.closes === 1);
  });

  it('ends a connection whose handler cannot be made, or gives no buffer', async () => {
    let made = 0;
    const { client, port, listener } = await pair(sharedReads, (t) => {
      made++;
      if (made === 2) throw new Error('no handler');
      const handler = new InPlaceRecorder(t);
      handler.readBuffer = () => {
        if (made > 2) throw new Error('no buffer');
        return handler.own;
      };
      return handler;
    });
    for (let i = 0; i < 2; i++) {
      const next = connect({ host: '127.0.0.1', port });
      open[0]!.clients.push(next);
      next.on('error', () => {});
      next.write('x');
      await once(next, 'close');
    }
    expect(made).toBe(3);
    made = 0;
    client.write('fine');
    await until(() => listener.connections === 1);
  });

  it('ends one connection when its handler throws', async () => {
    const { client, server, port, servers } = await pair(sharedReads, (t) => new Recorder(t));
    server.onBytes = () => {
      throw new Error('bad');
    };
    client.write('x');
    await until(() => server.closes === 1);
    const second = connect({ host: '127.0.0.1', port });
    open[0]!.clients.push(second);
    second.write('fine');
    await until(() => servers[1]?.text === 'fine');
  });

  it('closes connections above its limit', async () => {
    const { port, servers, listener } = await pair(sharedReads, (t) => new Recorder(t), 1);
    const second = connect({ host: '127.0.0.1', port });
    open[0]!.clients.push(second);
    second.on('error', () => {});
    await once(second, 'close');
    expect(servers.length).toBe(1);
    expect(listener.connections).toBe(1);
  });
});

it('names the port that is in use', async () => {
  const first = await pair(true, (t) => new Recorder(t));
  const second = new TcpListener({
    address: { name: 'mqtt', host: '127.0.0.1', port: first.port },
    info: INFO,
    accept: (t) => new Recorder(t),
    runtime: systemRuntime(SILENT_LOG),
    connectionsMax: 1,
  });
  await expect(second.open()).rejects.toMatchObject({
    code: 'port-in-use',
    message: expect.stringMatching(new RegExp(`port ${first.port} is in use`)),
  });
});
