import { crc32 } from 'node:zlib';
import { CODECS, decompress } from '@robustmq/broker';
import { crc32c, Reader, WireError, Writer } from '@robustmq/wire';

/** One message of format v0 or v1, as a record of v2 needs it. */
interface OldMessage {
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

const CODEC_MASK = 0x07;
const NO_TIMESTAMP = -1;
/** Entry header: offset int64, size int32. */
const ENTRY_BYTES_MIN = 26;

/** The message set breaks its format, its checksum or the limits. */
export class MessageSetError extends Error {}

/**
 * Turns a message set of format v0 or v1 (KIP-32) into one uncompressed RecordBatch v2: what clients older than 0.11 send
 * in Produce 0 to 2. Keys, values, times and their order are kept. Compressed sets are unpacked, one level deep, to at
 * most `bytesMax`. Throws MessageSetError.
 */
export function upConvert(messageSet: Buffer, bytesMax: number): Buffer {
  try {
    const messages = readSet(messageSet, bytesMax, true);
    if (messages.length === 0) throw new MessageSetError('an empty message set');
    return toBatch(messages);
  } catch (error) {
    if (error instanceof WireError) throw new MessageSetError(error.message);
    throw error;
  }
}

function readSet(bytes: Buffer, bytesMax: number, mayBeCompressed: boolean): OldMessage[] {
  const r = new Reader(bytes);
  const messages: OldMessage[] = [];
  while (r.remaining > 0) {
    if (r.remaining < ENTRY_BYTES_MIN) throw new MessageSetError(`${r.remaining} bytes behind the last message`);
    r.skip(8);
    const size = r.i32();
    const end = r.at + size;
    if (size < 0 || end > r.end) throw new MessageSetError(`a message of ${size} bytes`);
    const crc = r.u32();
    if (crc32(bytes.subarray(r.at, end)) !== crc) throw new MessageSetError('the checksum does not match');
    const magic = r.i8();
    if (magic !== 0 && magic !== 1) throw new MessageSetError(`a message of format v${magic} in an old message set`);
    const codec = CODECS[r.i8() & CODEC_MASK];
    const timestampMs = magic === 1 ? r.i64() : NO_TIMESTAMP;
    const key = nullableBytes(r);
    const value = nullableBytes(r);
    if (r.at !== end) throw new MessageSetError('a message does not fill its size');
    if (codec === 'none') messages.push({ timestampMs, key, value });
    else messages.push(...unpack(codec, value, bytesMax, mayBeCompressed));
  }
  return messages;
}

function unpack(codec: (typeof CODECS)[number] | undefined, value: Buffer | null, bytesMax: number, allowed: boolean) {
  if (codec === undefined || value === null || !allowed) throw new MessageSetError('a compressed set that cannot be');
  let inner: Buffer;
  try {
    inner = decompress(codec, value, bytesMax);
  } catch (error) {
    throw new MessageSetError(error instanceof Error ? error.message : 'it cannot be unpacked');
  }
  return readSet(inner, bytesMax, false);
}

function nullableBytes(r: Reader): Buffer | null {
  const size = r.i32();
  return size < 0 ? null : r.bytes(size);
}

function toBatch(messages: readonly OldMessage[]): Buffer {
  const base = messages[0]!.timestampMs;
  const max = messages.reduce((latest, { timestampMs }) => Math.max(latest, timestampMs), NO_TIMESTAMP);
  const w = new Writer(1024);
  w.i64(0).i32(0).i32(-1).i8(2).u32(0).i16(0);
  w.i32(messages.length - 1)
    .i64(base)
    .i64(max);
  w.i64(-1).i16(-1).i32(-1).i32(messages.length);
  const body = new Writer(256);
  messages.forEach(({ timestampMs, key, value }, delta) => {
    body.reset();
    body.i8(0).varlong(timestampMs - base);
    body.varint(delta);
    for (const part of [key, value]) {
      body.varint(part === null ? -1 : part.length);
      if (part !== null) body.bytes(part);
    }
    body.varint(0);
    w.varint(body.at).bytes(body.view());
  });
  const batch = w.toBuffer();
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeUInt32BE(crc32c(batch, 21), 17);
  return batch;
}
