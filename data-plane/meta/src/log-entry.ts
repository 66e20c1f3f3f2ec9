import { crc32c } from '@robustmq/wire';
import { isCommand, type Command } from './command.ts';

/** One chunk of the command log. A snapshot is the run of commands between its two marks. */
export type LogEntry = readonly Command[] | 'snapshot-begin' | 'snapshot-end';

const CRC_BYTES = 4;

/** CRC-32C of the rest, then JSON: `"snapshot-begin"`, `"snapshot-end"` or an array of commands. */
export function encodeEntry(entry: LogEntry): Buffer {
  const json = JSON.stringify(entry);
  const bytes = Buffer.allocUnsafeSlow(CRC_BYTES + Buffer.byteLength(json));
  bytes.write(json, CRC_BYTES, 'utf8');
  bytes.writeUInt32BE(crc32c(bytes, CRC_BYTES), 0);
  return bytes;
}

/** null for bytes that `encodeEntry` never makes; throws nothing. */
export function decodeEntry(bytes: Buffer): LogEntry | null {
  if (bytes.length < CRC_BYTES + 2 || bytes.readUInt32BE(0) !== crc32c(bytes, CRC_BYTES)) return null;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8', CRC_BYTES));
  } catch {
    return null;
  }
  if (value === 'snapshot-begin' || value === 'snapshot-end') return value;
  return Array.isArray(value) && value.every(isCommand) ? value : null;
}
