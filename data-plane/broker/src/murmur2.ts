/**
 * MurmurHash2, 32 bits, seed 0x9747b28c: the hash with which the Java client places keyed records, so a message captured
 * from MQTT lands in the partition a Kafka producer would choose for the same key.
 */
export function murmur2(key: Buffer): number {
  const size = key.length;
  let hash = 0x9747b28c ^ size;
  let at = 0;
  for (; at + 4 <= size; at += 4) {
    let k = key[at]! | (key[at + 1]! << 8) | (key[at + 2]! << 16) | (key[at + 3]! << 24);
    k = Math.imul(k, 0x5bd1e995);
    k ^= k >>> 24;
    hash = Math.imul(hash, 0x5bd1e995) ^ Math.imul(k, 0x5bd1e995);
  }
  const left = size - at;
  if (left >= 3) hash ^= key[at + 2]! << 16;
  if (left >= 2) hash ^= key[at + 1]! << 8;
  if (left >= 1) hash = Math.imul(hash ^ key[at]!, 0x5bd1e995);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0x5bd1e995);
  return hash ^ (hash >>> 15);
}

/** The partition of a keyed record among `count`. */
export function partitionOf(key: Buffer, count: number): number {
  return (murmur2(key) & 0x7fffffff) % count;
}
