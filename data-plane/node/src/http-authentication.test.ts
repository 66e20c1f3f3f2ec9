import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { claimPort } from '@robustmq/contracts/testing';
import { Kafka, logLevel } from 'kafkajs';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isPublicAddress, TenantHttpCaller } from './tenant-http-caller.ts';
import { Scratch, SpawnedNode } from './testing/spawned-node.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
let scratch: Scratch;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  scratch.remove();
});

type Question = Record<'username' | 'password' | 'clientid' | 'peerhost' | 'protocol' | 'cluster', string>;
type Answer = { readonly status: number; readonly body?: unknown; readonly text?: string } | 'silence';
/** A tenant's own service. */
class Service {
  readonly asked: Question[] = [];
  readonly keys: (string | undefined)[] = [];
  answer: (question: Question) => Answer = () => ({ status: 204 });
  readonly #port: number;
  #server: Server | null = null;

  constructor(port: number) {
    this.#port = port;
  }
  get url(): string {
    return `http://127.0.0.1:${this.#port}/auth`;
  }
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        const question = JSON.parse(text) as Question;
        this.asked.push(question);
        this.keys.push(request.headers['x-key'] as string | undefined);
        const answer = this.answer(question);
        if (answer === 'silence') return;
        response.writeHead(answer.status, { 'content-type': 'application/json', location: 'http://127.0.0.1/' });
        response.end(answer.text ?? (answer.body === undefined ? '' : JSON.stringify(answer.body)));
      });
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#server = server;
  }
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

async function start(http: object = {}) {
  const [mqtt, kafka, port] = [await claimPort(), await claimPort(), await claimPort()];
  const service = new Service(port);
  await service.start();
  ends.push(() => service.stop());
  const authentication = {
    http: { url: service.url, headers: { 'x-key': 'shared' }, timeoutMs: 1000, ...http },
  };
  const file = scratch.file('node.yaml', {
    dataDir: `${scratch.path}/data`,
    listeners: { mqtt: { port: mqtt }, kafka: { port: kafka } },
    namespaces: [
      {
        ...{ name: 'main', default: true, topics: [{ name: 'open' }] },
        credentials: [{ username: 'own', password: 'own-password' }],
        settings: { authentication },
      },
    ],
  });
  const node = await new SpawnedNode(['standalone', '--config', file]).untilReady();
  ends.push(() => node.kill());
  /** 0 and the client, or the CONNACK code that refused it. */
  const join = (username: string, password: string, more: IClientOptions = {}): Promise<[number, MqttClient]> => {
    const options = { protocolVersion: 5, username, password, reconnectPeriod: 0, ...more } as const;
    const client = connect(`mqtt://127.0.0.1:${mqtt}`, options);
    ends.push(() => client.end(true));
    return new Promise((resolve) => {
      client.once('connect', () => resolve([0, client]));
      client.on('error', (error: Error & { code?: number }) => resolve([error.code ?? -1, client]));
    });
  };
  const topicsOf = async (username: string, password: string): Promise<string[]> => {
    const sasl = { mechanism: 'plain', username, password } as const;
    const options = { brokers: [`127.0.0.1:${kafka}`], logLevel: logLevel.NOTHING, retry: { retries: 0 }, sasl };
    const admin = new Kafka({ ...options, authenticationTimeout: 30_000, requestTimeout: 30_000 }).admin();
    try {
      await admin.connect();
      return await admin.listTopics();
    } finally {
      await admin.disconnect();
    }
  };
  return { node, service, join, topicsOf };
}

describe("a tenant's own authentication service", () => {
  it('lets in and keeps out on MQTT and Kafka, is asked once, and not about credentials of the cluster', async () => {
    const { service, join, topicsOf } = await start();
    service.answer = ({ username, password }) =>
      username === 'ann' && password === 'right' ? { status: 200, body: { result: 'allow' } } : { status: 403 };
    const clients = await Promise.all(
      Array.from({ length: 50 }, () => join('ann', 'right', { clientId: 'same', clean: true })),
    );
    expect(clients.map(([code]) => code)).toEqual(clients.map(() => 0));
    expect(service.asked).toEqual([
      {
        username: 'ann',
        password: 'right',
        clientid: 'same',
        peerhost: '127.0.0.1',
        protocol: 'mqtt',
        cluster: 'main',
      },
    ]);
    expect(service.keys).toEqual(['shared']);
    expect((await join('ann', 'wrong'))[0]).toBe(0x86);
    expect((await join('own', 'own-password'))[0]).toBe(0);
    expect((await join('own', 'wrong'))[0]).toBe(0x86);
    expect(service.asked.filter(({ username }) => username === 'own')).toEqual([]);
    expect(await topicsOf('ann', 'right')).toEqual(['open']);
    await expect(topicsOf('ann', 'wrong')).rejects.toThrow(/password is wrong/);
  });

  it('tells what the client may do, and for how long', async () => {
    const { service, join } = await start();
    const acl = [
      { permission: 'allow', action: 'all', topic: 'mine/${clientid}' },
      { permission: 'deny', action: 'all', topic: '#' },
    ];
    service.answer = ({ username }) => ({
      ...{ status: 200 },
      body: { result: 'allow', acl, expire_at: Date.now() / 1000 + (username === 'brief' ? 2 : 60) },
    });
    const [, client] = await join('ann', 'x', { clientId: 'c1' });
    await client.publishAsync('mine/c1', 'x', { qos: 1 });
    await expect(client.publishAsync('mine/c2', 'x', { qos: 1 })).rejects.toThrow(/[Nn]ot authorized/);
    const [, brief] = await join('brief', 'x');
    await new Promise<void>((resolve) => brief.once('close', () => resolve()));
    service.answer = () => ({ status: 200, body: { result: 'allow', acl: 'all of it' } });
    expect((await join('other', 'x'))[0]).toBe(0x86);
  });

  it('keeps everybody out who is not known while it gives no answer, and the node goes on', async () => {
    const { node, service, join } = await start({ denyCacheSeconds: 0, allowCacheSeconds: 0 });
    const bad: Answer[] = [
      { status: 500 },
      { status: 302 },
      { status: 404 },
      { status: 200, text: 'no JSON' },
      { status: 200, body: [] },
      { status: 200, body: { result: 'maybe' } },
      { status: 200, text: `{"result":"allow","x":"${'y'.repeat(100_000)}"}` },
      'silence',
    ];
    for (const [i, answer] of bad.entries()) {
      service.answer = () => answer;
      expect([i, (await join(`user${i}`, 'x'))[0]]).toEqual([i, 0x88]);
    }
    await service.stop();
    expect((await join('ann', 'x'))[0]).toBe(0x88);
    expect((await join('own', 'own-password'))[0]).toBe(0);
    await service.start();
    service.answer = () => ({ status: 204 });
    await vi.waitFor(async () => expect((await join('ann', 'x'))[0]).toBe(0), { timeout: 30_000, interval: 500 });
    expect(node.child.exitCode).toBeNull();
    expect(node.stderr).not.toContain('"x"');
  });

  it('lets in whom it let in last, where the cluster wants that', async () => {
    const { service, join } = await start({ whenUnavailable: 'last-answer', allowCacheSeconds: 0 });
    expect((await join('ann', 'x', { clientId: 'a' }))[0]).toBe(0);
    await service.stop();
    expect((await join('ann', 'x', { clientId: 'a' }))[0]).toBe(0);
    expect((await join('ann', 'y', { clientId: 'a' }))[0]).toBe(0x88);
  });
});

describe('TenantHttpCaller', () => {
  const question = (url: string) =>
    ({ url, method: 'POST', headers: {}, body: '{}', timeoutMs: 2_000, answerBytesMax: 1_000 }) as const;
  it.each([
    'https://127.0.0.1/',
    'https://10.1.2.3/',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://0x7f000001/',
    'https://localhost/',
    'http://example.com/',
    'https://example.com:22/',
    'https://user:pw@example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'no address',
  ])('does not go to %s', async (url) => {
    await expect(new TenantHttpCaller({ anywhere: false }).call(question(url))).rejects.toThrow(/address|name/);
  });
  it('knows what is public', () => {
    expect(['8.8.8.8', '2606:4700::1111'].map(isPublicAddress)).toEqual([true, true]);
    for (const address of [
      '192.168.1.1',
      '100.64.0.1',
      'fe80::1',
      'fc00::1',
      '2002:7f00:1::',
      '::ffff:8.8.8.8',
      'text',
    ]) {
      expect([address, isPublicAddress(address)]).toEqual([address, false]);
    }
  });
});
