import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, cpSync, readFileSync, utimesSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { SILENT_LOG, type Transport } from '@robustmq/wire';
import { listenersOf, Listeners } from './listener-config.ts';
import { openListener, type OpenListener } from './open-listener.ts';
import { systemRuntime } from './runtime.ts';
import { Scratch } from './testing/spawned-node.ts';

vi.setConfig({ testTimeout: 60_000 });

const FIXTURES = fileURLToPath(new URL('./testing/tls', import.meta.url));
const fixture = (name: string): Buffer => readFileSync(join(FIXTURES, name));
const CA = fixture('authority.cert.pem');
const isNamespace = (name: string): boolean => name === 'shop' || name === 'bare';

let scratch: Scratch;
let opened: OpenListener[] = [];
let sockets: { destroy(): void }[] = [];
beforeEach(() => {
  scratch = new Scratch();
  cpSync(FIXTURES, scratch.path, { recursive: true });
});
afterEach(() => {
  sockets.forEach((socket) => socket.destroy());
  for (const { listener } of opened) {
    listener.stopAccepting();
    listener.destroyConnections();
  }
  [opened, sockets] = [[], []];
  scratch.remove();
});

/** Opens what `config` says; every connection answers with what the protocol server would know of it. */
async function serve(config: object): Promise<OpenListener> {
  const [wanted] = listenersOf(Listeners.parse(config), scratch.path);
  const runtime = systemRuntime(SILENT_LOG);
  const accept = (transport: Transport) => ({
    onData(chunk: Buffer, length: number) {
      const { serverName, remoteAddress, remotePort, clientCertificate } = transport;
      const subject = clientCertificate ? new X509Certificate(clientCertificate).subject : null;
      const said = chunk.toString('latin1', 0, length);
      transport.write(Buffer.from(JSON.stringify({ said, serverName, remoteAddress, remotePort, subject })));
    },
    onDrain() {},
    onClose() {},
  });
  const open = await openListener({ wanted: wanted!, namespace: null, accept, runtime, isNamespace });
  opened.push(open);
  return open;
}
const TLS = { certFile: 'node.cert.pem', keyFile: 'node.key.pem', namespacesDir: '.' };

async function secure(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ca: CA, servername: 'localhost', ...options });
  sockets.push(socket);
  await once(socket, 'secureConnect');
  return socket;
}
async function answer(socket: Socket, send: string | Buffer = 'hello'): Promise<Record<string, unknown>> {
  socket.write(send);
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  return JSON.parse(bytes.toString()) as Record<string, unknown>;
}
const pair = (name: string) => ({ cert: fixture(`${name}.cert.pem`), key: fixture(`${name}.key.pem`) });

describe('certificates', () => {
  it('shows a cluster its own certificate, and everybody else the listener’s', async () => {
    const { port } = await serve({ mqtts: { port: 0, tls: TLS } });
    const shop = await secure(port, { servername: 'shop.example.test' });
    expect(shop.getPeerCertificate().subject.CN).toBe('shop.example.test');
    expect(await answer(shop)).toMatchObject({ serverName: 'shop.example.test', subject: null });
    for (const servername of ['bare.example.test', 'nobody.example.test', '..', 'localhost']) {
      const other = await secure(port, { servername, checkServerIdentity: () => undefined });
      expect(other.getPeerCertificate().subject.CN).toBe('localhost');
    }
  });

  it('takes new files without a restart, and goes on with the former ones while they are wrong', async () => {
    const { port, tls, listener } = await serve({ mqtts: { port: 0, tls: TLS } });
    const subject = async () =>
      (await secure(port, { checkServerIdentity: () => undefined })).getPeerCertificate().subject.CN;
    expect(await subject()).toBe('localhost');
    scratch.file('node.key.pem', 'half a key');
    tls!.reload((options) => listener.replaceCertificate(options));
    expect(await subject()).toBe('localhost');
    copyFileSync(join(FIXTURES, 'shop-renewed.cert.pem'), join(scratch.path, 'node.cert.pem'));
    copyFileSync(join(FIXTURES, 'shop-renewed.key.pem'), join(scratch.path, 'node.key.pem'));
    utimesSync(join(scratch.path, 'node.key.pem'), 1, 1);
    tls!.reload((options) => listener.replaceCertificate(options));
    expect(await subject()).toBe('shop renewed');
  });
});

describe('client certificates', () => {
  it.each(['device', 'stranger', 'deep'])(
    'of %s are told with the connection, also when it is resumed',
    async (name) => {
      const { port } = await serve({ mqtts: { port: 0, tls: TLS } });
      const subject = new X509Certificate(fixture(`${name}.cert.pem`)).subject;
      const first = connectTls({ host: '127.0.0.1', port, ca: CA, servername: 'shop.example.test', ...pair(name) });
      sockets.push(first);
      const tickets: Buffer[] = [];
      first.on('session', (ticket) => tickets.push(ticket));
      expect(await answer(first)).toMatchObject({ subject });
      await vi.waitFor(() => expect(tickets.length).toBeGreaterThan(0), { timeout: 30_000 });
      const again = await secure(port, { servername: 'shop.example.test', session: tickets.at(-1)!, ...pair(name) });
      expect(await answer(again)).toMatchObject({ subject });
    },
  );

  it('of servers are none', async () => {
    const { port } = await serve({ mqtts: { port: 0, tls: TLS } });
    expect(await answer(await secure(port, pair('shop')))).toMatchObject({ subject: null });
  });

  it('are not asked for where that is switched off', async () => {
    const { port } = await serve({ mqtts: { port: 0, tls: { ...TLS, clientCertificates: 'off' } } });
    const client = await secure(port, { servername: 'shop.example.test', ...pair('device') });
    expect(await answer(client)).toMatchObject({ subject: null });
  });
});

describe('the PROXY protocol', () => {
  const HEADER = 'PROXY TCP4 203.0.113.7 127.0.0.1 4711 1883\r\n';
  const proxyProtocol = { trusted: ['127.0.0.0/8'] };

  it('tells where a plain client is, with its bytes in one packet or in many', async () => {
    const { port } = await serve({ mqtt: { port: 0, proxyProtocol } });
    const where = { remoteAddress: '203.0.113.7', remotePort: 4711 };
    const client = connectTcp(port, '127.0.0.1');
    sockets.push(client);
    expect(await answer(client, `${HEADER}hello`)).toEqual({
      said: 'hello',
      serverName: null,
      subject: null,
      ...where,
    });
    const slow = connectTcp({ port, host: '127.0.0.1', noDelay: true });
    sockets.push(slow);
    for (const piece of [HEADER.slice(0, 3), HEADER.slice(3, 20), HEADER.slice(20)]) {
      slow.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await answer(slow)).toMatchObject({ said: 'hello', ...where });
  });

  it('stands before TLS and before WebSockets', async () => {
    const { port } = await serve({ mqtts: { port: 0, proxyProtocol, tls: TLS } });
    const raw = connectTcp(port, '127.0.0.1');
    raw.write(HEADER);
    const client = connectTls({ socket: raw, ca: CA, servername: 'shop.example.test' });
    sockets.push(client);
    expect(await answer(client)).toMatchObject({ serverName: 'shop.example.test', remoteAddress: '203.0.113.7' });

    const ws = await serve({ mqttWss: { port: 0, proxyProtocol, tls: TLS } });
    const below = connectTcp(ws.port, '127.0.0.1');
    below.write(HEADER);
    const tunnel = connectTls({ socket: below, ca: CA, servername: 'shop.example.test' });
    const socket = new WebSocket('wss://shop.example.test/mqtt', 'mqttv3.1', { createConnection: () => tunnel });
    sockets.push({ destroy: () => socket.terminate() });
    await once(socket, 'open');
    expect(socket.protocol).toBe('mqttv3.1');
    socket.send(Buffer.from('hello'));
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(message.toString())).toMatchObject({ remoteAddress: '203.0.113.7', remotePort: 4711 });
  });

  it('is believed from trusted proxies only', async () => {
    const { port } = await serve({ mqtt: { port: 0, proxyProtocol: { trusted: ['10.0.0.0/8', 'fd00::/8'] } } });
    const client = connectTcp(port, '127.0.0.1');
    client.write(`${HEADER}hello`);
    const replies: Buffer[] = [];
    client.on('data', (bytes) => replies.push(bytes)).on('error', () => {});
    await once(client, 'close');
    expect(replies).toEqual([]);
  });

  it('is not optional where it is switched on', async () => {
    const { port } = await serve({ mqtt: { port: 0, proxyProtocol } });
    const client = connectTcp(port, '127.0.0.1');
    client.on('error', () => {});
    client.write('\x10\x0c\x00\x04MQTT');
    await once(client, 'close');
  });

  it('names the block that is none', async () => {
    await expect(serve({ mqtt: { port: 0, proxyProtocol: { trusted: ['10.0.0.0/99'] } } })).rejects.toThrow(
      /listeners\.mqtt\.proxyProtocol\.trusted/,
    );
  });
});
