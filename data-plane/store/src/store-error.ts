/** Every way a medium can fail, by code. */
export const STORE_ERRORS = {
  'offset-out-of-range': 'the offset is not in the log',
  corrupt: 'stored bytes fail their checksum',
  'format-unknown': 'the files are of a layout that this version does not know',
  'disk-full': 'no space is left on the medium',
  io: 'the medium refused to read or write',
  'read-only': 'the medium cannot be written',
  locked: 'another process holds the medium',
  closed: 'the medium was closed',
  failed: 'an earlier write failed; the medium takes no more',
  'not-contiguous': 'the chunk does not begin where the log ends',
  'bad-name': 'the stream name is empty or longer than 512 bytes',
  'engine-unknown': 'no such storage engine',
  'bad-config': 'the settings of the storage engine are wrong',
  'bad-key': 'the object key is not one',
  'object-missing': 'there is no such object',
  'object-denied': 'the object store refused the credentials',
  'object-throttled': 'the object store asks for fewer requests',
  'object-unavailable': 'the object store does not answer',
  aborted: 'the caller gave up',
} as const;
export type StoreErrorCode = keyof typeof STORE_ERRORS;

/** A failure of a medium. `where` names stream, file or offset for the person who has to look. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  readonly where: string;
  /** With `corrupt`: the offset at which reading can go on behind the damage; null when it is not known. */
  readonly resumeAt: number | null;
  constructor(code: StoreErrorCode, where: string, options?: { cause?: unknown; resumeAt?: number }) {
    super(`${STORE_ERRORS[code]} (${where})`, options);
    this.resumeAt = options?.resumeAt ?? null;
    this.name = 'StoreError';
    this.code = code;
    this.where = where;
  }
}
