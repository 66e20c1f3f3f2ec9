import { fetched, KafkaLoadClient, type KafkaTarget } from './kafka-client.ts';
import { ANSWER_MS_MAX, PeerFailure } from './peer-failure.ts';
import { fetchFrom, produce, recordBatch } from './kafka-wire.ts';

/** Milliseconds from sending a record to having it. */
export interface LatencyMeasured {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly recordsPerSecond: number;
  readonly cpuMicrosPerRecord: number;
}

const RATE_PER_SECOND = 10_000;
const TICK_MS = 2;
const FETCH_BYTES_MAX = 1 << 20;

/**
 * 10,000 records of 256 B a second from one connection, a batch every 2 ms (20 records each, as a client that lingers
 * sends), acknowledged by all; read by another connection at the end of the topic.
 */
export async function runLatency(target: KafkaTarget, topic: string, measureMs: number): Promise<LatencyMeasured> {
  const perBatch = (RATE_PER_SECOND * TICK_MS) / 1000;
  const frame = produce(7, topic, recordBatch(perBatch, 256));
  const writer = await KafkaLoadClient.open(target);
  const reader = await KafkaLoadClient.open(target);
  const sentAt = new Map<number, number>();
  const sending: number[] = [];
  const baseAt = 4 + 4 + 2 + topic.length + 4 + 4 + 2;
  // answers come in the order of the requests, each with the offset of its batch
  writer.onResponse = (answer) => {
    const base = Number(answer.readBigInt64BE(baseAt));
    sentAt.set(base, sending.shift()!);
  };
  const seen: [base: number, at: number][] = [];
  let running = true;
  const start = await endOf(reader, target, topic);
  const onBatch = (base: number): void => void seen.push([base, performance.now()]);
  const reading = read(reader, target, { topic, offset: start, running: () => running, onBatch });
  const [cpuFrom, from] = [target.cpuMicros(), performance.now()];
  let sent = 0;
  while (performance.now() - from < measureMs) {
    const due = Math.floor((performance.now() - from) / TICK_MS);
    for (; sent < due; sent++) {
      sending.push(performance.now());
      writer.socket.write(frame);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const [cpu, seconds] = [target.cpuMicros() - cpuFrom, (performance.now() - from) / 1000];
  // what is still under way counts too: leaving it out would make a slow disk look fast
  while ((seen.length < sent || sentAt.size < sent) && performance.now() - from < measureMs + ANSWER_MS_MAX) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  running = false;
  await reading;
  for (const client of [writer, reader]) client.socket.destroy();
  const took = seen.filter(([base]) => sentAt.has(base)).map(([base, at]) => at - sentAt.get(base)!);
  if (took.length < sent) throw new PeerFailure(target.name, `${sent - took.length} of ${sent} batches did not come`);
  took.sort((a, b) => a - b);
  const records = took.length * perBatch;
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? NaN;
  return {
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    recordsPerSecond: records / seconds,
    cpuMicrosPerRecord: cpu / records,
  };
}

interface Reading {
  readonly topic: string;
  readonly offset: number;
  readonly running: () => boolean;
  readonly onBatch: (base: number) => void;
}

async function read(
  client: KafkaLoadClient,
  target: KafkaTarget,
  { topic, offset: from, running, onBatch }: Reading,
): Promise<void> {
  let offset = from;
  while (running()) {
    const answer = await client.call(fetchFrom(9, topic, offset, FETCH_BYTES_MAX));
    const { start, end } = fetched(answer, topic, target.name);
    for (let position = start; position < end; position += 12 + answer.readInt32BE(position + 8)) {
      const base = Number(answer.readBigInt64BE(position));
      offset = base + answer.readInt32BE(position + 23) + 1;
      onBatch(base);
    }
  }
}

/** The high watermark, which every answer tells. */
async function endOf(client: KafkaLoadClient, target: KafkaTarget, topic: string): Promise<number> {
  const answer = await client.call(fetchFrom(9, topic, 0, 1));
  return fetched(answer, topic, target.name).highWatermark;
}
