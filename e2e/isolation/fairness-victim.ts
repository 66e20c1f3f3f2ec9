import { join } from 'node:path';
import { mqttOf } from '../support/clients.ts';
import { portOf, type TestCluster } from '../support/cloud.ts';
import { eventually, ROOT, sleep, start } from '../support/process.ts';

/** What a neighbour can use up; each is a mode of `fairness-neighbour.ts`. */
export const DIMENSIONS = ['messages', 'bytes', 'fan-out', 'connections'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

const PAYLOAD_BYTES = 256;

export interface Served {
  readonly sent: number;
  /** Numbers of the messages as they came back, in that order. */
  readonly received: readonly number[];
  /** From the moment a message was due to its arrival at the reader, in milliseconds. */
  readonly times: readonly number[];
}

/** Runs `work` beside a busy neighbour, which is ended then. `processor` is the control without a broker. */
export async function beside<T>(
  neighbour: TestCluster,
  dimension: Dimension | 'processor',
  work: () => Promise<T>,
): Promise<T> {
  const { endpoints, username, password } = neighbour;
  const file = join(ROOT, 'e2e/isolation/fairness-neighbour.ts');
  const args = [file, dimension, String(portOf(endpoints.mqtt)), username, password];
  const child = start(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout!.on('data', (bytes: Buffer) => (output += bytes.toString()));
  try {
    await eventually(`the neighbour is busy with ${dimension}`, 60_000, () => {
      if (child.exitCode !== null) throw new Error(`the neighbour ended with ${child.exitCode}`);
      return output.includes('busy');
    });
    await sleep(1_000);
    return await work();
  } finally {
    child.kill('SIGKILL');
  }
}

/** Open loop: QoS 1 messages at a fixed rate, whatever became of those before, to a reader of the same cluster. */
export async function serve(victim: TestCluster, perSecond: number, count: number): Promise<Served> {
  const [publisher, reader] = await Promise.all([mqttOf(victim), mqttOf(victim)]);
  const due: number[] = [];
  const received: number[] = [];
  const times: number[] = [];
  reader.on('message', (_topic, payload) => {
    const n = payload.readUInt32BE(0);
    received.push(n);
    times.push(performance.now() - due[n]!);
  });
  await reader.subscribeAsync('small/#', { qos: 1 });
  const startedAt = performance.now() + 20;
  const acknowledged: Promise<unknown>[] = [];
  for (let n = 0; n < count; n += 1) {
    due.push(startedAt + (n * 1000) / perSecond);
    await sleep(Math.max(0, due[n]! - performance.now()));
    const payload = Buffer.alloc(PAYLOAD_BYTES);
    payload.writeUInt32BE(n, 0);
    acknowledged.push(publisher.publishAsync('small/a', payload, { qos: 1 }));
  }
  await Promise.all(acknowledged);
  await eventually('all came back', 60_000, () => received.length >= count);
  await Promise.all([publisher.endAsync(), reader.endAsync()]);
  return { sent: count, received, times };
}
