import { crc32c } from '@robustmq/wire';
import {
  closeSync,
  constants,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
  writev,
  writevSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/*
 * What the machine itself can do, measured with the plainest calls there are and no more than one thing at a time: the
 * figure the journal's is held against. Bytes per second.
 */

/** Sequential writes of `burstBytes`, each followed by fdatasync, into a file that begins anew at `fileBytesMax`. */
export function diskWrite(directory: string, burstBytes: number, measureMs: number, fileBytesMax: number): number {
  const path = join(directory, 'raw');
  const burst = Buffer.alloc(burstBytes, 'r');
  const handle = openSync(path, 'w');
  try {
    let bytes = 0;
    const began = performance.now();
    while (performance.now() - began < measureMs) {
      // What is written over would need no new room on the disk, as no log can have it.
      if (bytes % fileBytesMax === 0) ftruncateSync(handle, 0);
      writevSync(handle, [burst], bytes % fileBytesMax);
      fdatasyncSync(handle);
      bytes += burstBytes;
    }
    return bytes / ((performance.now() - began) / 1000);
  } finally {
    closeSync(handle);
    rmSync(path);
  }
}

/**
 * The same bytes as `diskWrite` by the calls a server has: O_DSYNC writes in libuv's threads, the next one handed over by
 * the event loop when it hears that one is done. What no program of Node's with one log can be faster than.
 */
export async function diskWriteInThreads(
  directory: string,
  burstBytes: number,
  measureMs: number,
  fileBytesMax: number,
): Promise<number> {
  const path = join(directory, 'raw');
  const burst = Buffer.alloc(burstBytes, 'r');
  const handle = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_DSYNC);
  try {
    let bytes = 0;
    const began = performance.now();
    while (performance.now() - began < measureMs) {
      if (bytes % fileBytesMax === 0) ftruncateSync(handle, 0);
      await writeBuffers(handle, [burst], bytes % fileBytesMax);
      bytes += burstBytes;
    }
    return bytes / ((performance.now() - began) / 1000);
  } finally {
    closeSync(handle);
    rmSync(path);
  }
}
const writeBuffers = promisify(writev);

/**
 * One file that the kernel has in memory, read from front to back in pieces into one buffer; with `checkedBytes` its
 * CRC-32C is taken, so many bytes at a time, as whoever serves no damage must.
 */
export function pageCacheRead(directory: string, sizeBytes: number, pieceBytes: number, checkedBytes = 0): number {
  const path = join(directory, 'raw');
  const piece = Buffer.alloc(pieceBytes, 'r');
  const handle = openSync(path, 'w+');
  try {
    for (let at = 0; at < sizeBytes; at += pieceBytes) writeSync(handle, piece, 0, pieceBytes, at);
    const began = performance.now();
    for (let at = 0; at < sizeBytes; at += pieceBytes) {
      readSync(handle, piece, 0, pieceBytes, at);
      for (let from = 0; checkedBytes > 0 && from < pieceBytes; from += checkedBytes) {
        crc32c(piece, from, Math.min(pieceBytes, from + checkedBytes));
      }
    }
    return sizeBytes / ((performance.now() - began) / 1000);
  } finally {
    closeSync(handle);
    rmSync(path);
  }
}

/** Copies of pieces from memory to memory that is not in a cache. */
export function memoryCopy(pieceBytes: number, measureMs: number): number {
  const from = Buffer.alloc(Math.max(pieceBytes, 64 * 1024 * 1024), 'm');
  const to = Buffer.alloc(from.length);
  let bytes = 0;
  const began = performance.now();
  while (performance.now() - began < measureMs) {
    for (let at = 0; at + pieceBytes <= from.length; at += pieceBytes) from.copy(to, at, at, at + pieceBytes);
    bytes += from.length;
  }
  return bytes / ((performance.now() - began) / 1000);
}
