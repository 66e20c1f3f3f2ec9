import type { Claim, Partition, Topic } from '@robustmq/broker';
import type { Call } from './connection.ts';

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

/** Whether any of the records are so large that their body is stored apart, or must stay behind such ones. */
export function mustWait(topicData: TopicData, topicOf: (name: string) => Topic | undefined): boolean {
  for (const { name, partitionData } of topicData) {
    for (const { index, records } of partitionData) {
      const partition = records === null ? undefined : topicOf(name)?.partitions[index];
      if (partition === undefined) continue;
      if (partition.takesClaim?.(records!.length) === true || lastOf.has(partition)) return true;
    }
  }
  return false;
}

/**
 * Stores the bodies of large batches, waits for `loading`, then calls `serve` with their claims. Whoever comes later for one of the
 * partitions waits behind it, so that batches are appended in the order they came. The buffers must be the caller's own.
 */
export function serveInOrder(
  topicData: TopicData,
  call: Call,
  loading: readonly Promise<unknown>[],
  serve: (claims: Claims) => void,
): Promise<void> {
  const rows = rowsOf(topicData, (name) => call.session.namespace.topics.get(name));
  const claims = new Map<Partition, Claim>();
  const waits: Promise<unknown>[] = [...loading];
  for (const { partition, records } of rows) {
    const before = lastOf.get(partition);
    if (before !== undefined) waits.push(before);
    const preparing = partition.prepare?.(records, call.session.connection) ?? null;
    if (preparing === null) continue;
    waits.push(preparing.then((claim) => (claim === null ? undefined : void claims.set(partition, claim))));
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
