import type { Claim, Partition, Topic } from '@robustmq/broker';
import type { Call } from './connection.ts';
import { codecFor } from './repack.ts';

/** Rows of a produce request, as decoded. */
type TopicData = readonly {
  readonly name: string;
  readonly partitionData: readonly { readonly index: number; readonly records: Buffer | null }[];
}[];
interface Row {
  readonly partition: Partition;
  readonly records: Buffer;
}
export type Claims = ReadonlyMap<Partition, Claim>;
export const NO_CLAIMS: Claims = new Map();

/** The last produce that waits for each partition: for a body of its own, or for one before it. */
const lastOf = new WeakMap<Partition, Promise<unknown>>();

/** Whether any of the records are packed anew, or so large that their body is stored apart, or must stay behind such ones. */
export function mustWait(topicData: TopicData, topicOf: (name: string) => Topic | undefined): boolean {
  for (const { name, partitionData } of topicData) {
    for (const { index, records } of partitionData) {
      const topic = records === null ? undefined : topicOf(name);
      const partition = topic?.partitions[index];
      if (topic === undefined || partition === undefined) continue;
      if (codecFor(topic, records!) !== null) return true;
      if (partition.takesClaim?.(records!.length) === true || lastOf.has(partition)) return true;
    }
  }
  return false;
}

/**
 * Stores the bodies of large batches, waits for `loading`, then calls `serve` with their claims. With `packing` that gives
 * the records, which are packed first. Whoever comes later for one of the
 * partitions waits behind it, so that batches are appended in the order they came. The buffers must be the caller's own.
 */
export function serveInOrder(
  topicData: TopicData,
  call: Call,
  loading: readonly Promise<unknown>[],
  packing: Promise<TopicData> | null,
  serve: (claims: Claims) => void,
): Promise<void> {
  const topicOf = (name: string): Topic | undefined => call.session.namespace.topics.get(name);
  const rows = rowsOf(topicData, topicOf);
  const claims = new Map<Partition, Claim>();
  const waits: Promise<unknown>[] = [...loading];
  const prepare = ({ partition, records }: Row): Promise<void> | undefined => {
    const preparing = partition.prepare?.(records, call.session.connection) ?? null;
    const done = preparing?.then((claim) => (claim === null ? undefined : void claims.set(partition, claim)));
    if (done !== undefined) waits.push(done);
    return done;
  };
  for (const { partition, records } of rows) {
    const before = lastOf.get(partition);
    if (before !== undefined) waits.push(before);
    // it is among what is waited for
    if (packing === null) void prepare({ partition, records });
  }
  if (packing !== null) {
    const prepared = packing.then((packed) => Promise.all(rowsOf(packed, topicOf).map(prepare)));
    waits.push(prepared);
  }
  const served = Promise.all(waits).then(() => serve(claims));
  const settled = served.catch(() => undefined);
  for (const { partition } of rows) lastOf.set(partition, settled);
  void settled.then(() => {
    for (const { partition } of rows) if (lastOf.get(partition) === settled) lastOf.delete(partition);
  });
  return served;
}

function rowsOf(topicData: TopicData, topicOf: (name: string) => Topic | undefined): readonly Row[] {
  const rows: Row[] = [];
  for (const { name, partitionData } of topicData) {
    for (const { index, records } of partitionData) {
      const partition = topicOf(name)?.partitions[index];
      if (partition !== undefined && records !== null && records.length > 0) rows.push({ partition, records });
    }
  }
  return rows;
}
