import { crc32c, Writer } from '@robustmq/wire';

export interface BatchOptions {
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly timestampMs?: number;
  readonly attributes?: number;
}

/** An uncompressed RecordBatch v2 with one record per value. */
export function batchOf(values: readonly string[], options: BatchOptions = {}): Buffer {
  const timestampMs = options.timestampMs ?? 1_700_000_000_000;
  const w = new Writer();
  w.i64(0).i32(0).i32(-1).i8(2).u32(0);
  w.i16(options.attributes ?? 0)
    .i32(values.length - 1)
    .i64(timestampMs)
    .i64(timestampMs);
  w.i64(options.producerId ?? -1)
    .i16(options.producerEpoch ?? -1)
    .i32(options.baseSequence ?? -1)
    .i32(values.length);
  values.forEach((value, delta) => {
    const body = new Writer();
    body.i8(0).varlong(0).varint(delta).varint(-1).varint(Buffer.byteLength(value));
    body.text(value);
    body.varint(0);
    w.varint(body.at).bytes(body.view());
  });
  const batch = w.toBuffer();
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeUInt32BE(crc32c(batch, 21), 17);
  return batch;
}

/** A control batch that ends a transaction (KIP-98): key = version, type; value = version, coordinator epoch. */
export function markerOf(producerId: number, producerEpoch: number, commit: boolean): Buffer {
  const record = Buffer.from([0, 0, 0, 8, 0, 0, 0, commit ? 1 : 0, 12, 0, 0, 0, 0, 0, 0, 0]);
  const framed = Buffer.concat([Buffer.from([record.length * 2]), record]);
  const batch = Buffer.concat([batchOf([], { producerId, producerEpoch, attributes: 0x30 }), framed]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt32BE(0, 23);
  batch.writeInt32BE(1, 57);
  batch.writeUInt32BE(crc32c(batch, 21), 17);
  return batch;
}
