import type { ChildProcess } from 'node:child_process';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, sleep, start } from '../../support/process.ts';
import { PASSWORD, StandaloneNode, USER } from './standalone-node.ts';

const RECORDS = 2_000;
const PARTITIONS = 2;
const KILLS = 4;
const EXACTLY_ONCE = { timeout: 600_000 };

let node: StandaloneNode;
let kafka: Kafka;
let worker: ChildProcess;
let said = '';
beforeAll(async () => {
  node = await StandaloneNode.make();
  await node.start();
  kafka = new Kafka({
    brokers: [`127.0.0.1:${node.port}`],
    sasl: { mechanism: 'plain', username: USER, password: PASSWORD },
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, retries: 15 },
  });
});
afterAll(async () => {
  worker.kill('SIGKILL');
  await node.dispose();
});

function startWorker(): void {
  const broker = `127.0.0.1:${node.port}`;
  worker = start('/usr/bin/python3', ['e2e/conformance/kafka/eos_worker.py', broker, USER, PASSWORD], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  worker.stdout!.on('data', (bytes: Buffer) => (said += bytes.toString()));
}

async function fill(producer: Producer): Promise<void> {
  for (let from = 0; from < RECORDS; from += 200) {
    const messages = Array.from({ length: 200 }, (_, i) => ({ value: `r${from + i}`, partition: i % PARTITIONS }));
    await producer.send({ topic: 'in', messages });
  }
}

it(
  'exactly once: every record of the input is in the output one time, though node and worker are killed',
  EXACTLY_ONCE,
  async () => {
    const admin = kafka.admin();
    await admin.connect();
    const topics = ['in', 'out'].map((topic) => ({ topic, numPartitions: PARTITIONS }));
    await admin.createTopics({ topics });
    await admin.disconnect();
    const producer = kafka.producer();
    await producer.connect();
    await fill(producer);
    await producer.disconnect();
    startWorker();
    for (let kill = 0; kill < KILLS; kill++) {
      const before = said.split('committed').length;
      await eventually(`transactions before kill ${kill}`, 90_000, () => said.split('committed').length > before + 1);
      // by turns the one and the other, at whatever they are
      if (kill % 2 === 0) {
        await node.kill();
        await node.start();
      } else {
        worker.kill('SIGKILL');
        startWorker();
      }
    }
    const consumer = kafka.consumer({ groupId: 'checker', readUncommitted: false, maxWaitTimeInMs: 200 });
    const seen: string[] = [];
    await consumer.connect();
    await consumer.subscribe({ topic: 'out', fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void seen.push(message.value!.toString()) });
    await eventually('all of it', 150_000, () => new Set(seen).size >= RECORDS);
    // what would come twice comes now
    await sleep(1_000);
    await consumer.disconnect();
    expect(seen).toHaveLength(RECORDS);
    expect(new Set(seen)).toEqual(new Set(Array.from({ length: RECORDS }, (_, i) => `r${i}`)));
  },
);
