import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logStoreSuite } from '../testing/log-store-suite.ts';
import { FileLogStore } from './file-log-store.ts';

/** Sizes that make the suite meet no file boundary, some, and one at every step. */
for (const bytesMax of [64 * 1024 * 1024, 2000, 1]) {
  logStoreSuite(`file, files of ${bytesMax} bytes`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'robustmq-store-'));
    const open = () => FileLogStore.open({ directory, walBytesMax: bytesMax, segmentBytesMax: bytesMax });
    return { store: await open(), reopen: open, cleanup: () => rm(directory, { recursive: true, force: true }) };
  });
}

/** All that leaves the write-ahead log goes into shared logs: full ones that stay, and sorted ones. */
for (const keptRunBytesMin of [1, Infinity]) {
  logStoreSuite(`file, shared, runs of ${keptRunBytesMin} bytes stay`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'robustmq-store-'));
    const open = () => FileLogStore.open({ directory, walBytesMax: 1, keptRunBytesMin, ownStreamsMax: 0 });
    return { store: await open(), reopen: open, cleanup: () => rm(directory, { recursive: true, force: true }) };
  });
}
