import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, run } from '../../support/process.ts';
import { StandaloneNode } from './standalone-node.ts';

const REVOKED_SERIAL = '0bad';

/** An authority of one's own and what it issues, made with the `openssl` command. */
class TestAuthority {
  readonly #folder: string;
  readonly #name: string;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }
  static async make(folder: string, name: string): Promise<TestAuthority> {
    const authority = new TestAuthority(folder, name);
    const subject = ['-subj', `/CN=${name}`, '-days', '2', '-addext', 'keyUsage=critical,keyCertSign'];
    const files = ['-keyout', authority.#path('key'), '-out', authority.#path('pem')];
    await openssl('req', '-x509', ...NEW_KEY, ...subject, ...files);
    return authority;
  }
  get pem(): string {
    return readFileSync(this.#path('pem'), 'utf8');
  }
  /** Paths of the certificate and key of `commonName`. */
  async issue(commonName: string, serial: string): Promise<{ certFile: string; keyFile: string }> {
    const certFile = this.#path(`${serial}.pem`);
    const keyFile = this.#path(`${serial}.key`);
    const request = this.#path(`${serial}.csr`);
    const extensions = this.#path(`${serial}.ext`);
    writeFileSync(extensions, 'basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n');
    await openssl('req', '-new', ...NEW_KEY, '-keyout', keyFile, '-subj', `/CN=${commonName}`, '-out', request);
    const signs = ['-CA', this.#path('pem'), '-CAkey', this.#path('key'), '-set_serial', `0x${serial}`];
    await openssl('x509', '-req', '-in', request, ...signs, '-days', '2', '-extfile', extensions, '-out', certFile);
    return { certFile, keyFile };
  }
  #path(end: string): string {
    return join(this.#folder, `${this.#name}.${end}`);
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
async function openssl(...args: string[]): Promise<void> {
  const finished = await run('openssl', args, { timeoutMs: 60_000 });
  expect(finished.code, finished.stderr).toBe(0);
}

describe('a certificate is who a Kafka client is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-kafka-tls-'));
  let authority: TestAuthority;
  let node: StandaloneNode;
  beforeAll(async () => {
    authority = await TestAuthority.make(folder, 'authority');
    const rule = { effect: 'allow', principal: 'shipper', actions: ['all'] };
    const settings = {
      authentication: { x509: { authoritiesPem: authority.pem, revokedSerials: [REVOKED_SERIAL] } },
      acl: {
        whenNoRuleMatches: 'deny',
        rules: [
          { ...rule, id: 'goods', pattern: 'goods', patternType: 'prefix' },
          { ...rule, id: 'group', resource: 'group', pattern: 'harbour' },
        ],
      },
    };
    node = await StandaloneNode.make(false, settings, await authority.issue('localhost', '01'));
    await node.start();
  });
  afterAll(async () => {
    await node.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const kafkaWith = (client: { certFile: string; keyFile: string } | null) =>
    new Kafka({
      brokers: [`127.0.0.1:${node.tlsPort}`],
      ssl: {
        ca: authority.pem,
        ...(client === null ? {} : { cert: readFileSync(client.certFile), key: readFileSync(client.keyFile) }),
      },
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 50, retries: 2 },
    });

  it('what its name is allowed it does, in a group too, and nothing else', async () => {
    const kafka = kafkaWith(await authority.issue('shipper', '02'));
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'goods.in' }] });
    await expect(admin.createTopics({ topics: [{ topic: 'gold' }] })).rejects.toThrow(/creation errors|authorized/i);
    await admin.disconnect();
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: 'goods.in', messages: [{ value: 'a crate' }] });
    await producer.disconnect();
    const consumer = kafka.consumer({ groupId: 'harbour', maxWaitTimeInMs: 100 });
    const seen: string[] = [];
    await consumer.connect();
    await consumer.subscribe({ topic: 'goods.in', fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(message.value!.toString()) });
    await eventually('the crate arrives', 60_000, () => seen.length === 1);
    await consumer.disconnect();
  });

  it('without one, with one of another authority or a revoked one nobody comes in', async () => {
    const forger = await TestAuthority.make(folder, 'forger');
    const bad = [null, await forger.issue('shipper', '03'), await authority.issue('shipper', REVOKED_SERIAL)];
    for (const client of bad) {
      const admin = kafkaWith(client).admin();
      await expect(admin.connect().then(() => admin.listTopics())).rejects.toThrow();
      await admin.disconnect();
    }
  });
});
