import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualRuntime } from '@robustmq/wire';
import { objectStoreSuite } from '../testing/object-store-suite.ts';
import { FileObjectStore } from './file-object-store.ts';

objectStoreSuite('file-objects', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'robustmq-objects-'));
  let seed = 0;
  const open = () => FileObjectStore.open({ directory, runtime: new ManualRuntime({ seed: ++seed }) });
  return { store: await open(), reopen: open, cleanup: () => rm(directory, { recursive: true }) };
});
