import { crc32c as native } from '@node-rs/crc32';

const JS_BYTES_MAX = 128;
const TABLE = new Int32Array(256);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  TABLE[i] = c;
}

/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `[start, end)`, unsigned. Short inputs stay in JavaScript because the
 * native call costs about 160 ns (docs/performance.md).
 */
export function crc32c(bytes: Buffer, start = 0, end = bytes.length): number {
  if (end - start > JS_BYTES_MAX) return native(bytes.subarray(start, end)) >>> 0;
  let crc = -1;
  for (let i = start; i < end; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]!) & 0xff]!;
  return (crc ^ -1) >>> 0;
}
