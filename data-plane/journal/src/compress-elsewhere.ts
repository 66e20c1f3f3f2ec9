import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { compressFrame } from 'lz4-napi';
import { compress as compressBlock } from 'snappy';
import type { Codec } from './record-batch.ts';

/** Magic, version 1 and compatible version 1 of snappy-java's stream format, which all clients read. */
const XERIAL_HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00, 0, 0, 0, 1, 0, 0, 0, 1]);
const gzipped = promisify<Buffer, Buffer>(gzip);
const zstandard = promisify<Buffer, Buffer>(zstdCompress);

/** Compresses the records of a batch as `compress` does, in a thread of the pool: the event loop goes on meanwhile. */
export async function compressElsewhere(codec: Codec, bytes: Buffer): Promise<Buffer> {
  switch (codec) {
    case 'none':
      return bytes;
    case 'gzip':
      return gzipped(bytes);
    case 'zstd':
      return zstandard(bytes);
    case 'lz4':
      return compressFrame(bytes);
    case 'snappy': {
      const block = await compressBlock(bytes);
      const length = Buffer.alloc(4);
      length.writeInt32BE(block.length);
      return Buffer.concat([XERIAL_HEADER, length, block]);
    }
  }
}
