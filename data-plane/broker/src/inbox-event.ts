import { Reader, WireError, type Writer } from '@robustmq/wire';
import type { QoS } from './message.ts';
import type { SourceIdentity } from './record-source.ts';

/*
 * The inbox log's grammar. One record of the stream is one event; integers are unsigned varints unless said.
 *   owed      = 1 source base:i64 count sizeBytes *target          ; target = session flags:u8 [ids]
 *   done      = 2 session from:i64 count                           ; acknowledged, expired or dropped
 *   received  = 3 session sequence:i64
 *   taken     = 6 session below:i64                                 ; a reader that is gone was given all below
 *   held      = 4 session packetId        released = 5 session packetId
 *   begin     = 10                        end = 12                  ; of a snapshot
 *   session   = 11 session head:i64 tail:i64 takenHigh:i64 count *packetId *entry     ; up to the end of the event
 *   entry     = sequence:i64 flags:u8 source offset:i64 sizeBytes [ids]
 *   source    = 0 | 1 topicId:16 bytes partition      flags = qos | retain 4 | ids 8 | received 16      ids = count *id
 */
export const OWED = 1;
export const DONE = 2;
export const RECEIVED = 3;
export const HELD = 4;
export const RELEASED = 5;
export const TAKEN = 6;
export const BEGIN = 10;
export const SESSION = 11;
export const END = 12;

const HAS_IDS = 8;

export interface Owing {
  readonly session: number;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly received: boolean;
  readonly subscriptionIds: readonly number[] | null;
}
export interface SnapshotEntry extends Owing {
  readonly sequence: number;
  readonly source: SourceIdentity;
  readonly offset: number;
  readonly sizeBytes: number;
}
export interface OwedEvent {
  readonly kind: typeof OWED;
  readonly source: SourceIdentity;
  readonly base: number;
  readonly count: number;
  /** Of each message; the average of the run. */
  readonly sizeBytes: number;
  readonly targets: readonly Owing[];
}
export interface SessionEvent {
  readonly kind: typeof SESSION;
  readonly session: number;
  readonly head: number;
  readonly tail: number;
  readonly takenHigh: number;
  readonly held: readonly number[];
  readonly entries: readonly SnapshotEntry[];
}
export type InboxEvent =
  | OwedEvent
  | SessionEvent
  | { readonly kind: typeof DONE; readonly session: number; readonly from: number; readonly count: number }
  | { readonly kind: typeof RECEIVED; readonly session: number; readonly sequence: number }
  | { readonly kind: typeof TAKEN; readonly session: number; readonly below: number }
  | { readonly kind: typeof HELD | typeof RELEASED; readonly session: number; readonly packetId: number }
  | { readonly kind: typeof BEGIN | typeof END };

export function writeSource(w: Writer, source: SourceIdentity): void {
  if (source === null) w.u8(0);
  else w.u8(1).bytes(Buffer.from(source.topicId, 'hex')).uvarint(source.partition);
}
/** What `flags` and `ids` say of one entry. */
export function writeFlags(
  w: Writer,
  qos: QoS,
  retain: boolean,
  ids: readonly number[] | null,
  received = false,
): void {
  w.u8(qos | (retain ? 4 : 0) | (ids === null ? 0 : HAS_IDS) | (received ? 16 : 0));
}
export function writeIds(w: Writer, ids: readonly number[] | null): void {
  if (ids === null) return;
  w.uvarint(ids.length);
  for (const id of ids) w.uvarint(id);
}

/** Reads one event; throws WireError for anything else. */
export function readEvent(bytes: Buffer): InboxEvent {
  const r = new Reader(bytes);
  const kind = r.u8();
  switch (kind) {
    case OWED:
      return readOwed(r);
    case DONE:
      return { kind, session: r.uvarint(), from: r.i64(), count: r.uvarint() };
    case RECEIVED:
      return { kind, session: r.uvarint(), sequence: r.i64() };
    case TAKEN:
      return { kind, session: r.uvarint(), below: r.i64() };
    case HELD:
    case RELEASED:
      return { kind, session: r.uvarint(), packetId: r.uvarint() };
    case SESSION:
      return readSession(r);
    case BEGIN:
    case END:
      return { kind };
    default:
      throw new WireError('out-of-range', 0, `event kind ${kind}`);
  }
}

function readOwed(r: Reader): OwedEvent {
  const source = readSource(r);
  const base = r.i64();
  const count = r.uvarint();
  const sizeBytes = r.uvarint();
  const targets: Owing[] = [];
  while (r.remaining > 0) {
    const session = r.uvarint();
    const flags = r.u8();
    targets.push({ session, ...readFlags(flags), subscriptionIds: readIds(r, flags) });
  }
  return { kind: OWED, source, base, count, sizeBytes, targets };
}
function readSession(r: Reader): SessionEvent {
  const session = r.uvarint();
  const head = r.i64();
  const tail = r.i64();
  const takenHigh = r.i64();
  const held: number[] = [];
  for (let left = r.uvarint(); left > 0; left--) held.push(r.uvarint());
  const entries: SnapshotEntry[] = [];
  while (r.remaining > 0) {
    const sequence = r.i64();
    const flags = r.u8();
    const source = readSource(r);
    const offset = r.i64();
    const sizeBytes = r.uvarint();
    entries.push({
      session,
      sequence,
      source,
      offset,
      sizeBytes,
      ...readFlags(flags),
      subscriptionIds: readIds(r, flags),
    });
  }
  return { kind: SESSION, session, head, tail, takenHigh, held, entries };
}
function readSource(r: Reader): SourceIdentity {
  const kind = r.u8();
  if (kind === 0) return null;
  if (kind !== 1) throw new WireError('out-of-range', r.at, `source kind ${kind}`);
  return { topicId: r.bytes(16).toString('hex'), partition: r.uvarint() };
}
function readFlags(flags: number): { qos: QoS; retain: boolean; received: boolean } {
  const qos = flags & 3;
  if (qos === 3) throw new WireError('out-of-range', 0, 'QoS 3');
  return { qos: qos as QoS, retain: (flags & 4) !== 0, received: (flags & 16) !== 0 };
}
function readIds(r: Reader, flags: number): readonly number[] | null {
  if ((flags & HAS_IDS) === 0) return null;
  const ids: number[] = [];
  for (let left = r.uvarint(); left > 0; left--) ids.push(r.uvarint());
  return ids;
}
