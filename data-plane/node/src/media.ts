import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openLogStore, StoreError, type LogStore } from '@robustmq/store';
import type { Runtime } from '@robustmq/wire';
import { EXTRA_ENGINES, type NodeConfig } from './config.ts';
import { NodeError } from './node-error.ts';

/** What the journal of a node writes to. */
export interface Media {
  /** The main medium: of whatever names no other. */
  readonly store: LogStore;
  /** Further ones by the names topics have for them. */
  readonly engines: Readonly<Record<string, LogStore>>;
}

/**
 * Opens the media of the configuration: the main one in the data directory, further ones in `engines/<name>` below it.
 * One whose directory is there is opened even when it is no longer named: topics lie on it. Throws NodeError with a
 * sentence when an engine is not installed, or what the engine finds; then nothing stays open.
 */
export async function openMedia(config: NodeConfig, runtime: Runtime): Promise<Media> {
  const { dataDir, journal } = config;
  if (journal.engine !== 'memory') mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const store = await openLogStore(journal.engine, { directory: dataDir, log: runtime.log });
  const engines: Record<string, LogStore> = {};
  try {
    for (const name of EXTRA_ENGINES) {
      const directory = join(dataDir, 'engines', name);
      if (name === journal.engine || !(journal.engines.includes(name) || existsSync(directory))) continue;
      engines[name] = await openEngine(name, directory, runtime);
    }
    return { store, engines };
  } catch (error) {
    await Promise.allSettled([store, ...Object.values(engines)].map((one) => one.close()));
    throw error;
  }
}

async function openEngine(name: string, directory: string, runtime: Runtime): Promise<LogStore> {
  const isNew = !existsSync(directory);
  try {
    return await openLogStore(name, { directory, log: runtime.log });
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'engine-unknown') throw error;
    const asked = isNew ? 'journal.engines names it' : `${directory} holds data of it`;
    throw new NodeError('engine-missing', `${error.where}; ${asked}`, { cause: error });
  }
}
