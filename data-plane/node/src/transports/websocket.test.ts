import { once } from 'node:events';
import { afterEach, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { SILENT_LOG, type Transport, type TransportHandler } from '@robustmq/wire';
import { systemRuntime } from '../runtime.ts';
import { FRAME_BYTES_MAX, WebSocketListener } from './websocket.ts';

vi.setConfig({ testTimeout: 30_000 });

class Recorder implements TransportHandler {
  readonly transport: Transport;
  text = '';
  drains = 0;
  closes = 0;
  constructor(transport: Transport) {
    this.transport = transport;
  }
  onData(chunk: Buffer, length: number): void {
    this.text += chunk.toString('latin1', 0, length);
    if (this.text.endsWith('boom')) throw new Error('boom');
  }
  onDrain(): void {
    this.drains++;
  }
  onClose(): void {
    this.closes++;
  }
}

const listeners: WebSocketListener[] = [];
const sockets: WebSocket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate();
  for (const listener of listeners.splice(0)) {
    listener.destroyConnections();
    listener.stopAccepting();
  }
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function listen(connectionsMax = 10): Promise<{ url: string; servers: Recorder[]; listener: WebSocketListener }> {
  const servers: Recorder[] = [];
  const listener = new WebSocketListener({
    address: { name: 'mqttWs', host: '127.0.0.1', port: 0 },
    info: { name: 'mqttWs', tls: false, namespace: null },
    accept: (transport) => {
      const server = new Recorder(transport);
      servers.push(server);
      return server;
    },
    runtime: systemRuntime(SILENT_LOG),
    connectionsMax,
  });
  listeners.push(listener);
  return { url: `ws://127.0.0.1:${await listener.open()}`, servers, listener };
}

function dial(url: string, protocols: string | string[] = 'mqtt'): WebSocket {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
  sockets.push(socket);
  return socket;
}

it('carries bytes both ways under the sub-protocol the client offers', async () => {
  const { url, servers } = await listen();
  for (const protocol of ['mqtt', 'mqttv3.1']) {
    const client = dial(`${url}/mqtt`, ['other', protocol]);
    await once(client, 'open');
    expect(client.protocol).toBe(protocol);
    await until(() => servers.length > 0);
    const server = servers.pop()!;
    client.send(Buffer.from('he'));
    client.send(Buffer.from('llo'));
    await until(() => server.text === 'hello');
    server.transport.write(Buffer.from('back'));
    const [data, isBinary] = (await once(client, 'message')) as [Buffer, boolean];
    expect([data.toString(), isBinary]).toEqual(['back', true]);
    client.close();
    await until(() => server.closes === 1);
  }
});

it.each([
  ['/other', 'mqtt', 404],
  ['/mqtt', 'chat', 400],
])('refuses %s with sub-protocol %s by %i', async (path, protocol, status) => {
  const { url, servers } = await listen();
  const client = dial(url + path, protocol);
  const [error] = (await once(client, 'error')) as [Error];
  expect(error.message).toContain(String(status));
  expect(servers.length).toBe(0);
});

it('answers plain HTTP with 426', async () => {
  const { url } = await listen();
  expect((await fetch(`${url.replace('ws', 'http')}/mqtt`)).status).toBe(426);
});

it('ends a connection that sends text', async () => {
  const { url, servers } = await listen();
  const client = dial(`${url}/mqtt`);
  await once(client, 'open');
  client.send('text');
  const [code] = (await once(client, 'close')) as [number];
  expect(code).toBe(1003);
  await until(() => servers[0]!.closes === 1);
  expect(servers[0]!.text).toBe('');
});

it('ends a connection whose frame is too large, and only that', async () => {
  const { url, servers } = await listen();
  const good = dial(`${url}/mqtt`);
  await once(good, 'open');
  const bad = dial(`${url}/mqtt`);
  await once(bad, 'open');
  bad.on('error', () => {});
  bad.send(Buffer.alloc(FRAME_BYTES_MAX + 1));
  const [code] = (await once(bad, 'close')) as [number];
  expect([1009, 1006]).toContain(code);
  good.send(Buffer.from('ok'));
  await until(() => servers[0]!.text === 'ok');
});

it('ends a connection whose handler throws', async () => {
  const { url, servers } = await listen();
  const client = dial(`${url}/mqtt`);
  await once(client, 'open');
  client.send(Buffer.from('boom'));
  await once(client, 'close');
  expect(servers[0]!.closes).toBe(1);
});

it('pauses, reports bytes waiting, drains, and delivers all before end', async () => {
  const { url, servers } = await listen();
  const client = dial(`${url}/mqtt`);
  await once(client, 'open');
  await until(() => servers.length === 1);
  const server = servers[0]!;
  client.pause();
  let sent = 0;
  while (server.transport.writableLength === 0) {
    server.transport.write(Buffer.alloc(100_000));
    sent += 100_000;
  }
  let received = 0;
  client.on('message', (data: Buffer) => (received += data.length));
  client.resume();
  await until(() => received === sent && server.drains === 1);
  server.transport.pause();
  client.send(Buffer.from('held'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(server.text).toBe('');
  server.transport.resume();
  await until(() => server.text === 'held');
  server.transport.write(Buffer.alloc(100_000));
  server.transport.end();
  const [code] = (await once(client, 'close')) as [number];
  expect([code, received]).toEqual([1000, sent + 100_000]);
});

it('refuses connections above its limit', async () => {
  const { url, listener } = await listen(1);
  await once(dial(`${url}/mqtt`), 'open');
  const [error] = (await once(dial(`${url}/mqtt`), 'error')) as [Error];
  expect(error.message).toContain('503');
  expect(listener.connections).toBe(1);
});
