/** Every way the journal refuses, by code. */
export const JOURNAL_ERRORS = {
  'offset-out-of-range': 'the offset is not in the stream',
  corrupt: 'stored batches fail their checksum',
  unavailable: 'object storage does not answer; the same read may succeed later',
  failed: 'the medium failed; the journal takes no more',
  'engine-unknown': 'the journal has no such storage engine',
  closed: 'the journal or the stream was closed',
  'batch-truncated': 'the batch is shorter than it says',
  'batch-magic': 'the batch is not a RecordBatch v2',
  'batch-crc': 'the batch fails its checksum',
  'batch-codec': 'the batch names a compression codec that does not exist',
  'batch-count': 'the batch has no records or its record count and last offset disagree',
  'batch-control': 'control batches are not taken from clients',
  'batch-header': 'a field of the batch header is out of range',
  'batch-compressed': 'the compressed records do not decompress',
  'batch-too-large': 'the records decompress to more than the limit',
  'batch-record': 'a record in the batch is malformed',
} as const;
export type JournalErrorCode = keyof typeof JOURNAL_ERRORS;

/** A refusal of the journal. `where` names stream and offset, or the place in the batch. */
export class JournalError extends Error {
  readonly code: JournalErrorCode;
  readonly where: string;
  /** With `corrupt`: where reading can go on behind the damage; null when it is not known. */
  readonly resumeAt: number | null;
  constructor(code: JournalErrorCode, where: string, options?: { cause?: unknown; resumeAt?: number | null }) {
    super(`${JOURNAL_ERRORS[code]} (${where})`, options);
    this.name = 'JournalError';
    this.code = code;
    this.where = where;
    this.resumeAt = options?.resumeAt ?? null;
  }
}
