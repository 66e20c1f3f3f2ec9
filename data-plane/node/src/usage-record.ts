import type { Meter, UsageProtocol } from '@robustmq/contracts/data-plane';
import { Reader, WireError, Writer } from '@robustmq/wire';

/**
 * The totals log's format. Every counter of a node epoch is a growing total in its raw unit; a record holds those that
 * changed. Layout, integers as in wire: version u8, kind u8, windowStartMs varlong; a checkpoint adds epoch 16 bytes and
 * windowsSeq varlong; then count uvarint and per counter set: index uvarint, mask u8 (bit n = slot n is present, bit 7 =
 * protocol u8, size u8 and cluster id follow), the totals, and in a checkpoint as many closed quantities.
 */

interface Slot {
  readonly meter: Meter;
  /** Raw units in one unit of the meter: times are kept in milliseconds so that no remainder is ever lost. */
  readonly rawPerUnit: bigint;
}
const CONNECTION_SLOTS: readonly Slot[] = [
  { meter: 'messages_in', rawPerUnit: 1n },
  { meter: 'messages_out', rawPerUnit: 1n },
  { meter: 'ingress_bytes', rawPerUnit: 1n },
  { meter: 'egress_bytes', rawPerUnit: 1n },
  { meter: 'connection_seconds', rawPerUnit: 1000n },
];
const STORAGE_SLOTS: readonly Slot[] = [
  { meter: 'stored_byte_seconds', rawPerUnit: 1000n },
  { meter: 'node_seconds', rawPerUnit: 1000n },
  { meter: 'hot_byte_seconds', rawPerUnit: 1000n },
  { meter: 'warm_byte_seconds', rawPerUnit: 1000n },
  { meter: 'cold_byte_seconds', rawPerUnit: 1000n },
  { meter: 'object_requests', rawPerUnit: 1n },
  { meter: 'partition_seconds', rawPerUnit: 1000n },
];
/** Slots of a storage set; new ones go to the end, and a set has no room for more than seven. */
export const STORAGE_SLOT = { stored: 0, node: 1, hot: 2, warm: 3, cold: 4, objectRequests: 5, partitions: 6 } as const;
/** Records of version 1 knew the first two. */
const STORAGE_SLOTS_V1 = 2;
export const PROTOCOLS: readonly UsageProtocol[] = ['mqtt', 'kafka', 'amqp', 'storage'];

/** The counters of one cluster on one protocol. */
export class CounterSet {
  readonly clusterId: string;
  readonly protocol: UsageProtocol;
  readonly slots: readonly Slot[];
  /** Totals within the epoch, raw units. */
  readonly totals: bigint[];
  /** What of `totals` the log has. */
  readonly logged: bigint[];
  /** Quantities at the end of the last closed window, in the meters' units. */
  readonly closed: bigint[];
  /** Number in the totals log. */
  readonly index: number;

  constructor(index: number, clusterId: string, protocol: UsageProtocol) {
    this.index = index;
    this.clusterId = clusterId;
    this.protocol = protocol;
    this.slots = protocol === 'storage' ? STORAGE_SLOTS : CONNECTION_SLOTS;
    this.totals = this.slots.map(() => 0n);
    this.logged = this.slots.map(() => 0n);
    this.closed = this.slots.map(() => 0n);
  }
  /** Whole units of the meter in slot `slot`, since the epoch began. */
  quantity(slot: number): bigint {
    return this.totals[slot]! / this.slots[slot]!.rawPerUnit;
  }
  get changed(): boolean {
    for (let i = 0; i < this.totals.length; i++) if (this.totals[i] !== this.logged[i]) return true;
    return false;
  }
}

/** What a checkpoint carries beside the counters, so that everything before it may go. */
export interface Checkpoint {
  readonly epoch: string;
  /** Windows up to this one are in the checkpoint's closed quantities. */
  readonly windowsSeq: number;
}

const VERSION = 2;
const VERSION_MIN = 1;
const KIND_DELTA = 0;
const KIND_CHECKPOINT = 1;
const NAMED = 0x80;
const SLOT_MASK = 0x7f;
const BIG = -1;

/** Writes the changed totals of `sets` (all of them in a checkpoint) and marks them logged. */
export function encodeRecord(
  windowStartMs: number,
  sets: readonly CounterSet[],
  checkpoint: Checkpoint | null,
): Buffer {
  const writer = new Writer(64 + sets.length * 24);
  writer
    .u8(VERSION)
    .u8(checkpoint === null ? KIND_DELTA : KIND_CHECKPOINT)
    .varlong(windowStartMs);
  if (checkpoint !== null) writer.bytes(Buffer.from(checkpoint.epoch, 'hex')).varlong(checkpoint.windowsSeq);
  writer.uvarint(sets.length);
  for (const set of sets) encodeSet(writer, set, checkpoint !== null);
  return writer.toBuffer();
}

function encodeSet(writer: Writer, set: CounterSet, whole: boolean): void {
  const named = whole || set.logged.every((total) => total === 0n);
  let mask = named ? NAMED : 0;
  for (let i = 0; i < set.totals.length; i++) if (whole || set.totals[i] !== set.logged[i]) mask |= 1 << i;
  writer.uvarint(set.index).u8(mask);
  if (named) {
    const name = Buffer.from(set.clusterId);
    writer.u8(PROTOCOLS.indexOf(set.protocol)).u8(name.length).bytes(name);
  }
  for (let i = 0; i < set.totals.length; i++) {
    if ((mask & (1 << i)) === 0) continue;
    set.logged[i] = set.totals[i]!;
    writeTotal(writer, set.totals[i]!);
  }
  if (whole) for (const quantity of set.closed) writeTotal(writer, quantity);
}

/** Applies a record to `sets` (by index). Returns what it says beside the counters. Throws WireError. */
export function applyRecord(
  bytes: Buffer,
  sets: Map<number, CounterSet>,
): { windowStartMs: number; checkpoint: Checkpoint | null } {
  const reader = new Reader(bytes);
  const version = reader.u8();
  const kind = reader.u8();
  if (version < VERSION_MIN || version > VERSION || kind > KIND_CHECKPOINT)
    throw new WireError('out-of-range', 0, `record ${version}/${kind}`);
  const windowStartMs = reader.varlong();
  let checkpoint: Checkpoint | null = null;
  if (kind === KIND_CHECKPOINT) {
    checkpoint = { epoch: Buffer.from(reader.bytes(16)).toString('hex'), windowsSeq: reader.varlong() };
    sets.clear();
  }
  for (let left = reader.uvarint(); left > 0; left--) applySet(reader, sets, checkpoint !== null, version);
  return { windowStartMs, checkpoint };
}

function applySet(reader: Reader, sets: Map<number, CounterSet>, whole: boolean, version: number): void {
  const at = reader.at;
  const index = reader.uvarint();
  const mask = reader.u8();
  if ((mask & NAMED) !== 0 && !sets.has(index)) {
    const protocol = PROTOCOLS[reader.u8()];
    const clusterId = reader.text(reader.u8());
    if (protocol === undefined) throw new WireError('out-of-range', at, 'unknown protocol');
    sets.set(index, new CounterSet(index, clusterId, protocol));
  } else if ((mask & NAMED) !== 0) {
    reader.u8();
    reader.skip(reader.u8());
  }
  const set = sets.get(index);
  if (set === undefined || (mask & SLOT_MASK) >>> set.slots.length !== 0)
    throw new WireError('out-of-range', at, `counter set ${index}`);
  for (let i = 0; i < set.totals.length; i++) {
    if ((mask & (1 << i)) === 0) continue;
    const total = readTotal(reader);
    set.totals[i] = total;
    set.logged[i] = total;
  }
  if (!whole) return;
  const count = version === 1 && set.protocol === 'storage' ? STORAGE_SLOTS_V1 : set.closed.length;
  for (let i = 0; i < count; i++) set.closed[i] = readTotal(reader);
}

/** Totals are safe integers nearly always; byte-milliseconds may outgrow them and then follow as big-endian bytes. */
function writeTotal(writer: Writer, total: bigint): void {
  if (total <= BigInt(Number.MAX_SAFE_INTEGER)) {
    writer.varlong(Number(total));
    return;
  }
  const hex = total.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  writer.varlong(BIG).u8(bytes.length).bytes(bytes);
}
function readTotal(reader: Reader): bigint {
  const at = reader.at;
  const small = reader.varlong();
  if (small >= 0) return BigInt(small);
  const size = reader.u8();
  if (small !== BIG || size === 0) throw new WireError('out-of-range', at, 'negative total');
  return BigInt(`0x${Buffer.from(reader.bytes(size)).toString('hex')}`);
}
