import { createHash } from 'node:crypto';

/** Objects of the journal lie under this. */
const ROOT = 'journal/';
/** An encoded stream name longer than this is cut and told apart by its hash. */
const NAME_BYTES_MAX = 230;
const NAME_KEPT_BYTES = 160;
const OFFSET_DIGITS = 16;

/**
 * Keys of a stream's objects. A stream's name begins with its namespace, and encoding goes letter by letter, so whatever
 * streams share a beginning of their names share it in their keys: `objectsOf` of that beginning finds them all.
 */
export function objectsOf(streamNamePrefix: string): string {
  return ROOT + encodeName(streamNamePrefix);
}
/** Everything of one stream and epoch. */
export function epochPrefix(stream: string, epoch: string): string {
  return `${ROOT}${shortName(stream)}/${epoch}/`;
}
export function dataKey(stream: string, epoch: string, baseOffset: number, hash: string): string {
  return `${epochPrefix(stream, epoch)}data/${digits(baseOffset)}-${hash}`;
}
/** The body of a batch that the log holds a claim for. */
export function claimKey(stream: string, epoch: string, id: string): string {
  return `${epochPrefix(stream, epoch)}claim/${id}`;
}
export function manifestKey(stream: string, epoch: string, generation: number): string {
  return `${epochPrefix(stream, epoch)}manifest/${digits(generation)}`;
}

function shortName(stream: string): string {
  const encoded = encodeName(stream);
  if (encoded.length <= NAME_BYTES_MAX) return encoded;
  const hash = createHash('sha256').update(stream).digest('hex');
  return `${encoded.slice(0, NAME_KEPT_BYTES)}~${hash}`;
}
function encodeName(name: string): string {
  return encodeURIComponent(name).replaceAll('.', '%2E').replaceAll('~', '%7E');
}
function digits(number: number): string {
  return String(number).padStart(OFFSET_DIGITS, '0');
}
