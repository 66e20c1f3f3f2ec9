import { crc32c } from '@node-rs/crc32';

/** The few Kafka requests the load needs, encoded by hand (non-flexible versions), and a record batch. */
const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const int64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};
const string = (value: string): Buffer => Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
const varint = (value: number): Buffer => {
  const bytes: number[] = [];
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Buffer.from(bytes);
};

/** A request frame with header version 1 (client id "bench"). */
export function request(apiKey: number, version: number, correlationId: number, body: Buffer): Buffer {
  const header = Buffer.concat([int16(apiKey), int16(version), int32(correlationId), string('bench')]);
  return Buffer.concat([int32(header.length + body.length), header, body]);
}

/** RecordBatch v2 with `count` records of `valueBytes` bytes, no compression. */
export function recordBatch(count: number, valueBytes: number): Buffer {
  const value = Buffer.alloc(valueBytes, 0x61);
  const records = Array.from({ length: count }, (_, index) => {
    const body = Buffer.concat([
      Buffer.from([0]),
      varint(0),
      varint(index),
      varint(-1),
      varint(valueBytes),
      value,
      varint(0),
    ]);
    return Buffer.concat([varint(body.length), body]);
  });
  const now = Date.now();
  const covered = Buffer.concat([
    int16(0),
    int32(count - 1),
    int64(now),
    int64(now),
    int64(-1),
    int16(-1),
    int32(-1),
    int32(count),
    ...records,
  ]);
  return Buffer.concat([
    int64(0),
    int32(4 + 1 + 4 + covered.length),
    int32(-1),
    Buffer.from([2]),
    int32(crc32c(covered) | 0),
    covered,
  ]);
}

export const saslHandshake = (): Buffer => request(17, 1, 1, string('PLAIN'));
export const saslAuthenticate = (username: string, password: string): Buffer => {
  const token = Buffer.from(`\0${username}\0${password}`);
  return request(36, 0, 2, Buffer.concat([int32(token.length), token]));
};
/** Produce v7 with `acks` 1 or −1, one topic and partition. */
export const produce = (correlationId: number, topic: string, batch: Buffer, acks = -1): Buffer =>
  request(
    0,
    7,
    correlationId,
    Buffer.concat([
      int16(-1),
      int16(acks),
      int32(10_000),
      int32(1),
      string(topic),
      int32(1),
      int32(0),
      int32(batch.length),
      batch,
    ]),
  );
/** Fetch v4, one topic and partition; waits up to 100 ms for a first byte. */
export const fetchFrom = (correlationId: number, topic: string, offset: number, bytesMax: number): Buffer =>
  request(
    1,
    4,
    correlationId,
    Buffer.concat([
      int32(-1),
      int32(100),
      int32(1),
      int32(bytesMax),
      Buffer.from([0]),
      int32(1),
      string(topic),
      int32(1),
      int32(0),
      int64(offset),
      int32(bytesMax),
    ]),
  );
