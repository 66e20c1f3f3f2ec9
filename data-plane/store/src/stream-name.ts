import { STREAM_NAME_BYTES_MAX } from './log.ts';
import { StoreError } from './store-error.ts';

/** Throws StoreError `bad-name` unless the name has 1 to 512 bytes and is well-formed Unicode. */
export function checkStreamName(stream: string): void {
  const size = Buffer.byteLength(stream);
  if (size === 0 || size > STREAM_NAME_BYTES_MAX) throw new StoreError('bad-name', `${size} bytes`);
  // A lone surrogate would come back from the disk as another name.
  if (!stream.isWellFormed()) throw new StoreError('bad-name', 'not well-formed Unicode');
}
