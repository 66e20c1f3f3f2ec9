export type WireErrorCode = 'truncated' | 'malformed-varint' | 'out-of-range' | 'bad-utf8';

/** Bytes that do not follow their format. One connection ends with it; never the process. */
export class WireError extends Error {
  readonly code: WireErrorCode;
  /** Offset in the buffer at which the fault was seen. */
  readonly at: number;
  constructor(code: WireErrorCode, at: number, message: string) {
    super(message);
    this.name = 'WireError';
    this.code = code;
    this.at = at;
  }
}
