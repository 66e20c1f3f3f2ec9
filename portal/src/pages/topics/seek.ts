import { isoOfLocal } from '../groups/lag.ts';
import { base64OfText } from '../messages/payload.ts';

/** Where to begin reading a partition. */
export type SeekKind = 'newest' | 'oldest' | 'offset' | 'time' | 'key';

/** A seek as its form holds it. */
export interface Seek {
  readonly partition: number;
  readonly kind: SeekKind;
  readonly offset: number | string;
  /** Text of a `datetime-local` field, in the reader's zone. */
  readonly local: string;
  readonly key: string;
}

/** What the API is asked: at most one of the three places to begin. */
export interface RecordsFrom {
  readonly partition: number;
  readonly fromOffset?: number;
  readonly fromTime?: string;
  readonly key?: string;
}

/** Records shown at a time. */
export const RECORDS_LIMIT = 50;

/** The first question of a seek; undefined while its form is not complete. `endOffset` is where the partition ends now. */
export function recordsFrom(seek: Seek, endOffset: number): RecordsFrom | undefined {
  const { partition, kind } = seek;
  if (kind === 'newest') return { partition, fromOffset: Math.max(0, endOffset - RECORDS_LIMIT) };
  if (kind === 'oldest') return { partition };
  if (kind === 'key') return seek.key === '' ? undefined : { partition, key: base64OfText(seek.key) };
  if (kind === 'time') {
    const fromTime = isoOfLocal(seek.local);
    return fromTime === undefined ? undefined : { partition, fromTime };
  }
  const { offset } = seek;
  return typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0
    ? { partition, fromOffset: offset }
    : undefined;
}

/** The page before the one that begins at `firstOffset`; undefined at the start of the partition. */
export const olderThan = (partition: number, firstOffset: number, startOffset: number): RecordsFrom | undefined =>
  firstOffset <= startOffset
    ? undefined
    : { partition, fromOffset: Math.max(startOffset, firstOffset - RECORDS_LIMIT) };
