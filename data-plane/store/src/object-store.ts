import { StoreError } from './store-error.ts';

/** Longest object key, in bytes. */
export const OBJECT_KEY_BYTES_MAX = 900;
/** Longest part of a key between two slashes, in bytes: what file systems take as a name, less our suffix. */
export const OBJECT_KEY_PART_BYTES_MAX = 250;
/** Most keys one `list` answers with. */
export const LIST_KEYS_MAX = 1000;

/**
 * The cold seam: whole, immutable blobs under keys. A key is 1 to 900 bytes of `A–Z a–z 0–9 ! _ . * ' ( ) ~ % = , @ + -`
 * in parts parted by single slashes, each part at most 250 bytes and neither `.` nor `..` (what `encodeURIComponent`
 * gives always fits); anything else is `bad-key`. So keys order the same on every engine: by their bytes. What `put`
 * answered survives losing this process, and every later `getRange` and `list`, of whatever process, sees it.
 *
 * Errors are StoreErrors: `object-missing`, `object-denied`, `object-throttled`, `object-unavailable` (the last two after
 * the engine's own retries), `disk-full`, `read-only`, `io`, `bad-key`, `closed`, and `aborted` when `signal` fired. After
 * an error a `put` may have happened or not, but never in part.
 */
export interface ObjectStore {
  /** Stores the object; with ifAbsent resolves false (and changes nothing) when the key exists. Whole or not at all. */
  put(key: string, bytes: Buffer | readonly Buffer[], options?: ObjectPutOptions): Promise<boolean>;
  /** Bytes [start, end) of the object; fewer at its end. StoreError 'object-missing' when absent. */
  getRange(key: string, start: number, end: number, options?: ObjectCallOptions): Promise<Buffer>;
  /** Keys with the prefix in ascending order after `after`, with sizes; at most `limit` (default 1000, and no more). */
  list(prefix: string, after?: string, limit?: number): Promise<readonly ObjectEntry[]>;
  /** Deletes; absent keys are fine. After an error some of the keys may be gone. */
  delete(keys: readonly string[]): Promise<void>;
  /** What was asked of the store so far, for metering. */
  readonly requests: ObjectRequestCounts;
  /** Lets go of connections. Calls that come later fail with `closed`. */
  close?(): Promise<void>;
}

export interface ObjectCallOptions {
  /** Gives up as soon as may be with `aborted`. */
  readonly signal?: AbortSignal;
}
export interface ObjectPutOptions extends ObjectCallOptions {
  readonly ifAbsent?: boolean;
}
export interface ObjectEntry {
  readonly key: string;
  readonly sizeBytes: number;
}

/** Requests as a provider bills them: retries and the parts of a multipart upload count each. Only ever grow. */
export interface ObjectRequestCounts {
  readonly puts: number;
  readonly gets: number;
  readonly lists: number;
  readonly deletes: number;
  /** Bytes of objects sent with `puts` and received with `gets`. */
  readonly bytesWritten: number;
  readonly bytesRead: number;
  /** How many of the requests were made again after a failure. */
  readonly retries: number;
}

/** The counters an engine adds to. */
export type ObjectRequestTally = { -readonly [Name in keyof ObjectRequestCounts]: number };

export function newRequestTally(): ObjectRequestTally {
  return { puts: 0, gets: 0, lists: 0, deletes: 0, bytesWritten: 0, bytesRead: 0, retries: 0 };
}

const KEY = /^[A-Za-z0-9!_.*'()~%=,@+-]{1,250}(?:\/[A-Za-z0-9!_.*'()~%=,@+-]{1,250})*$/;

/** Throws StoreError `bad-key` unless the key is one. */
export function checkObjectKey(key: string): void {
  if (key.length > OBJECT_KEY_BYTES_MAX || hasDots(key) || !KEY.test(key)) throw badKey(key);
}

/** Throws StoreError `bad-key` unless some key could begin like this. */
export function checkObjectPrefix(prefix: string): void {
  if (prefix === '') return;
  const whole = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (hasDots(whole) || !KEY.test(prefix.endsWith('/') ? whole.slice(0, -1) : prefix)) throw badKey(prefix);
}

function hasDots(key: string): boolean {
  return key.split('/').some((part) => part === '.' || part === '..');
}

/** Throws StoreError `offset-out-of-range` unless the range is one. */
export function checkObjectRange(key: string, start: number, end: number): void {
  const good = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start;
  if (!good) throw new StoreError('offset-out-of-range', `${key}: ${start} to ${end}`);
}

/** How many keys a `list` that asks for `limit` may give. */
export function listLimit(limit: number | undefined): number {
  return Math.max(0, Math.min(LIST_KEYS_MAX, Math.floor(limit ?? LIST_KEYS_MAX)));
}

/** Throws StoreError `aborted` when the signal has fired. */
export function checkSignal(key: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new StoreError('aborted', key, { cause: signal.reason });
}

/** One or many buffers as many. */
export function bufferList(bytes: Buffer | readonly Buffer[]): readonly Buffer[] {
  return Buffer.isBuffer(bytes) ? [bytes] : bytes;
}

/** Bytes in all of the buffers. */
export function totalBytes(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
}

function badKey(key: string): StoreError {
  // Keys may come from elsewhere: no control characters into a log.
  return new StoreError('bad-key', JSON.stringify(key.slice(0, 100)));
}
