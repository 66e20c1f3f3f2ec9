/**
 * Whether `[start, end)` is a UTF-8 Encoded String as MQTT wants it: well formed, nothing overlong, no surrogates, no
 * U+0000 ([MQTT-1.5.4-1], [MQTT-1.5.4-2]).
 */
export function isMqttText(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte > 0 && byte < 0x80) {
      at++;
      continue;
    }
    const size = sequenceSize(bytes, at, end);
    if (size === 0) return false;
    at += size;
  }
  return true;
}

/** Bytes of the multi-byte sequence at `at`, 0 when it is not one (Unicode table 3-7). */
function sequenceSize(bytes: Buffer, at: number, end: number): number {
  const lead = bytes[at]!;
  let size = 0;
  let low = 0x80;
  let high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) size = 2;
  else if (lead >= 0xe0 && lead <= 0xef) {
    size = 3;
    if (lead === 0xe0) low = 0xa0;
    if (lead === 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    size = 4;
    if (lead === 0xf0) low = 0x90;
    if (lead === 0xf4) high = 0x8f;
  }
  if (size === 0 || at + size > end) return 0;
  const second = bytes[at + 1]!;
  if (second < low || second > high) return 0;
  for (let i = 2; i < size; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  return size;
}

/** Text of another protocol as MQTT may carry it: U+0000 and lone surrogates become U+FFFD. */
export function toMqttText(text: string): string {
  const wellFormed = text.toWellFormed();
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '\ufffd') : wellFormed;
}
