import { fetched, KafkaLoadClient, type KafkaTarget } from './kafka-client.ts';
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
  let first = -1;
  // answers come in the order of the requests, each with the offset of its batch
  writer.onResponse = (answer) => {
    const base = Number(answer.readBigInt64BE(baseAt));
    if (first < 0) first = base;
    sentAt.set(base, sending.shift()!);
  };
  const seen: [base: number, at: number][] = [];
  let running = true;
  const reading = read(reader, target, topic, () => running, (base) => seen.push([base, performance.now()]));
  const [cpuFrom, from] = [target.cpuMicros(), performance.now()];
  for (let sent = 0; performance.now() - from < measureMs;) {
    const due = Math.floor((performance.now() - from) / TICK_MS);
    for (; sent < due; sent++) {
      sending.push(performance.now());
      writer.socket.write(frame);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const [cpu, seconds] = [target.cpuMicros() - cpuFrom, (performance.now() - from) / 1000];
  await new Promise((resolve) => setTimeout(resolve, 300));
  running = false;
  await reading;
  for (const client of [writer, reader]) client.socket.destroy();
  const took = seen.filter(([base]) => sentAt.has(base)).map(([base, at]) => at - sentAt.get(base)!);
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

async function read(
  client: KafkaLoadClient,
  target: KafkaTarget,
  topic: string,
  running: () => boolean,
  onBatch: (base: number) => void,
): Promise<void> {
  let offset = await endOf(client, target, topic);
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
