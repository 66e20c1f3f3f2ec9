/** How bytes can be looked at. */
export type PayloadFormat = 'json' | 'text' | 'hex';

/** Bytes of a hex dump's line. */
const HEX_LINE_BYTES = 16;

/** base64 of the API as bytes; no bytes for what is none. */
export function bytesOfBase64(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** Text as base64 of its UTF-8 bytes. */
export const base64OfText = (text: string): string =>
  btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''));

/** The bytes as UTF-8, undefined if they are none. A character that was cut off at the end is no fault when `cut`. */
function utf8Of(bytes: Uint8Array, cut: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut });
  } catch {
    return undefined;
  }
}

/** Control characters that no text has: all but tab, line feed and carriage return. */
const hasControls = (text: string): boolean => /\p{Cc}/u.test(text.replaceAll(/[\t\n\r]/g, ''));

function indented(text: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return undefined;
  }
}

/** The most telling format these bytes have: JSON objects and lists, else text, else hex. */
export function formatOf(bytes: Uint8Array, cut: boolean): PayloadFormat {
  const text = utf8Of(bytes, cut);
  if (text === undefined || hasControls(text)) return 'hex';
  return !cut && /^\s*[[{]/.test(text) && indented(text) !== undefined ? 'json' : 'text';
}

function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += HEX_LINE_BYTES) {
    const line = [...bytes.subarray(at, at + HEX_LINE_BYTES)];
    const hex = line.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = line.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(HEX_LINE_BYTES * 3 - 1)}  ${text}`);
  }
  return lines.join('\n');
}

/** The bytes in a format. JSON that is none stays text; text that is none shows replacement characters. */
export function payloadText(bytes: Uint8Array, format: PayloadFormat): string {
  if (format === 'hex') return hexDump(bytes);
  const text = new TextDecoder().decode(bytes);
  return format === 'json' ? (indented(text) ?? text) : text;
}

const PREVIEW_CHARS = 80;

/** One line of a payload for a list. */
export function previewOf(base64: string | null, sizeBytes: number): string {
  if (base64 === null) return '';
  const bytes = bytesOfBase64(base64);
  if (bytes.length === 0) return '';
  const cut = bytes.length < sizeBytes;
  const format = formatOf(bytes, cut);
  const text =
    format === 'hex'
      ? [...bytes.subarray(0, PREVIEW_CHARS / 3)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
      : new TextDecoder().decode(bytes).replaceAll(/\s+/g, ' ').trim();
  return text.length > PREVIEW_CHARS ? `${text.slice(0, PREVIEW_CHARS)}…` : text;
}
