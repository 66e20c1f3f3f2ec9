/** Every way a medium can fail, by code. */
export const STORE_ERRORS = {
  'offset-out-of-range': 'the offset is not in the log',
  corrupt: 'stored bytes fail their checksum',
  'disk-full': 'no space is left on the medium',
  io: 'the medium refused to read or write',
  'read-only': 'the medium cannot be written',
  locked: 'another process holds the medium',
  closed: 'the medium was closed',
  failed: 'an earlier write failed; the medium takes no more',
  'not-contiguous': 'the chunk does not begin where the log ends',
} as const;
export type StoreErrorCode = keyof typeof STORE_ERRORS;

/** A failure of a medium. `where` names stream, file or offset for the person who has to look. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  readonly where: string;
  constructor(code: StoreErrorCode, where: string, options?: { cause?: unknown }) {
    super(`${STORE_ERRORS[code]} (${where})`, options);
    this.name = 'StoreError';
    this.code = code;
    this.where = where;
  }
}
