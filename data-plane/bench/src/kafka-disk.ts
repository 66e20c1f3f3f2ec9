import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FILE_BYTES_MAX = 256 * 1024 * 1024;

/**
 * What the disk takes when each write of `sizeBytes` is followed by `fdatasync`, bytes per second: the plainest calls there
 * are, in the directory where the servers under measurement have their data, for `measureMs`.
 */
export function diskBytesPerSecond(sizeBytes: number, measureMs: number): number {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-bench-disk-'));
  try {
    const file = openSync(join(folder, 'log'), 'w');
    const bytes = Buffer.alloc(sizeBytes, 0x61);
    const from = performance.now();
    let written = 0;
    let position = 0;
    do {
      for (let at = 0; at < sizeBytes;) at += writeSync(file, bytes, at, sizeBytes - at, position + at);
      fdatasyncSync(file);
      written += sizeBytes;
      position = position + 2 * sizeBytes > FILE_BYTES_MAX ? 0 : position + sizeBytes;
    } while (performance.now() - from < measureMs);
    const seconds = (performance.now() - from) / 1000;
    closeSync(file);
    return written / seconds;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
