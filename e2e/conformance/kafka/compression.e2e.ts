import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../support/process.ts';
import { PASSWORD, StandaloneNode, USER } from './standalone-node.ts';

const CODECS = ['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
const LINES = Array.from({ length: 300 }, (_, index) => `${index} ${'x'.repeat(80)}`);

describe('compression.type', () => {
  let node: StandaloneNode;
  beforeAll(async () => {
    node = await StandaloneNode.make();
    await node.start();
  });
  afterAll(() => node.dispose());

  const kafka = () =>
    new Kafka({
      brokers: [`127.0.0.1:${node.port}`],
      sasl: { mechanism: 'plain', username: USER, password: PASSWORD },
      logLevel: logLevel.NOTHING,
    });
  const kcat = (args: readonly string[], input?: string) => {
    const settings = ['security.protocol=SASL_PLAINTEXT', 'sasl.mechanism=PLAIN'];
    settings.push(`sasl.username=${USER}`, `sasl.password=${PASSWORD}`);
    const flags = settings.flatMap((setting) => ['-X', setting]);
    const options = { ...(input === undefined ? {} : { input }), timeoutMs: 60_000 };
    return run('kcat', ['-b', `127.0.0.1:${node.port}`, ...flags, ...args], options);
  };
  const told = async (topic: string): Promise<string> => {
    const admin = kafka().admin();
    await admin.connect();
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['compression.type'] }],
    });
    await admin.disconnect();
    return resources[0]!.configEntries[0]!.configValue;
  };

  it('packs what any producer sends, so that every client reads it', async () => {
    const admin = kafka().admin();
    await admin.connect();
    await admin.createTopics({
      topics: CODECS.map((codec) => ({
        topic: `packed-${codec}`,
        configEntries: [{ name: 'compression.type', value: codec }],
      })),
    });
    await admin.disconnect();
    for (const codec of CODECS) {
      const topic = `packed-${codec}`;
      expect(await told(topic)).toBe(codec);
      for (const sent of ['none', 'zstd', 'snappy']) {
        const produced = await kcat(['-P', '-t', topic, '-z', sent], `${LINES.join('\n')}\n`);
        expect(produced.code, produced.stderr).toBe(0);
      }
      const read = await kcat(['-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-f', '%s\n']);
      expect(read.stdout.trim().split('\n'), codec).toEqual([...LINES, ...LINES, ...LINES]);
    }
  });

  it('kafkajs, which knows gzip alone, reads what others packed with zstd', async () => {
    const consumer = kafka().consumer({ groupId: 'gzip-only' });
    await consumer.connect();
    await consumer.subscribe({ topic: 'packed-gzip', fromBeginning: true });
    const values: string[] = [];
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      void consumer.run({
        eachMessage: async ({ message }) => {
          values.push(message.value!.toString());
          if (values.length === LINES.length * 3) resolve();
        },
      });
    });
    await consumer.disconnect();
    expect(values.slice(0, LINES.length)).toEqual(LINES);
  });
});
