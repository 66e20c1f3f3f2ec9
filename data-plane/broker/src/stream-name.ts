import type { StreamName } from '@robustmq/journal';

/**
 * The only maker of stream names. Every name carries its namespace, and every part its length, so no part can be read as
 * the beginning of another: `ns` , `<length>:<namespace id>`, kind, and the parts of that kind.
 */
export type StreamKind =
  'partition' | 'inbox-store' | 'inbox-events' | 'retained' | 'group-offsets' | 'wills' | 'keyed' | 'delayed';

/** What a stream name says. */
export interface StreamIdentity {
  readonly namespaceId: string;
  readonly kind: StreamKind;
  /** Of a partition: the topic's id, hex. */
  readonly topicId: string | null;
  /** Of a partition: its index. */
  readonly partition: number | null;
}

const KINDS: readonly StreamKind[] = [
  'partition',
  'inbox-store',
  'inbox-events',
  'retained',
  'group-offsets',
  'wills',
  'keyed',
  'delayed',
];

export function partitionStream(namespaceId: string, topicId: string, partition: number): StreamName {
  return named([namespaceId, 'partition', topicId, String(partition)]);
}

/** One of the namespace's own streams. */
export function namespaceStream(namespaceId: string, kind: Exclude<StreamKind, 'partition'>): StreamName {
  return named([namespaceId, kind]);
}

/** null for a name this room did not make. */
export function parseStreamName(name: string): StreamIdentity | null {
  if (!name.startsWith('ns')) return null;
  const parts: string[] = [];
  for (let at = 2; at < name.length;) {
    const length = /^([1-9][0-9]{0,3}):/.exec(name.slice(at, at + 6));
    if (length === null) return null;
    const from = at + length[0].length;
    at = from + Number(length[1]);
    if (at > name.length) return null;
    parts.push(name.slice(from, at));
  }
  const [namespaceId, kind, topicId, partition] = parts;
  if (namespaceId === undefined || !KINDS.includes(kind as StreamKind)) return null;
  const isPartition = kind === 'partition';
  if (parts.length !== (isPartition ? 4 : 2) || (isPartition && !/^[0-9]+$/.test(partition!))) return null;
  return {
    namespaceId,
    kind: kind as StreamKind,
    topicId: topicId ?? null,
    partition: partition === undefined ? null : Number(partition),
  };
}

function named(parts: readonly string[]): StreamName {
  return `ns${parts.map((part) => `${part.length}:${part}`).join('')}` as StreamName;
}
