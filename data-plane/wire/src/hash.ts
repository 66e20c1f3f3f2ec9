/** FNV-1a over `[start, end)`, unsigned 32 bits: the key of route caches. */
export function fnv1a(bytes: Buffer, start = 0, end = bytes.length): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}
