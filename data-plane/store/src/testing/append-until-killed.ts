/*
 * The victim of the kill test: `node append-until-killed.ts <directory> <walBytesMax> <segmentBytesMax>` appends to a
 * few streams and prints "stream endOffset" for whatever a flush has made stable. Exits with 3 when the directory is
 * locked. With `rocksdb` in the place of the sizes it is that engine.
 */
import { FileLogStore } from '../file/file-log-store.ts';
import { RocksDbLogStore } from '../rocksdb/rocksdb-log-store.ts';
import { StoreError } from '../store-error.ts';
import { writeSync } from 'node:fs';

const [directory = '', walBytesMax, segmentBytesMax] = process.argv.slice(2);
const STREAMS = 5;

async function main(): Promise<void> {
  const sizes = { walBytesMax: Number(walBytesMax), segmentBytesMax: Number(segmentBytesMax) };
  const isRocksDb = walBytesMax === 'rocksdb';
  const store = await (isRocksDb ? RocksDbLogStore.open({ directory }) : FileLogStore.open({ directory, ...sizes }));
  const logs = await Promise.all(Array.from({ length: STREAMS }, (_, i) => store.open(`stream-${i}`)));
  for (let turn = 0; ; turn++) {
    for (const [i, log] of logs.entries()) {
      for (let k = 0; k <= (turn + i) % 4; k++) {
        const bytes = Buffer.alloc(8 + ((turn * 37 + k * 211) % 3000), turn & 0xff);
        bytes.writeDoubleBE(log.endOffset, 0);
        log.append({ baseOffset: log.endOffset, nextOffset: log.endOffset + 1 + (k % 3), timestampMs: turn, bytes });
      }
    }
    await store.flush();
    if (turn % 50 === 49) await logs[turn % STREAMS]!.trim(Math.floor(logs[turn % STREAMS]!.stableOffset / 2));
    let text = '';
    for (const [i, log] of logs.entries()) text += `stream-${i} ${log.stableOffset}\n`;
    writeSync(1, text);
  }
}

main().catch((error: unknown) => {
  process.exitCode = error instanceof StoreError && error.code === 'locked' ? 3 : 1;
  if (process.exitCode === 1) writeSync(2, `${String(error)}\n`);
});
