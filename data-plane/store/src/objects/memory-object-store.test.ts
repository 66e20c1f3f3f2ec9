import { objectStoreSuite } from '../testing/object-store-suite.ts';
import { MemoryObjectStore } from './memory-object-store.ts';

objectStoreSuite('memory', async () => {
  const objects = new Map<string, Buffer>();
  return { store: new MemoryObjectStore(objects), reopen: async () => new MemoryObjectStore(objects) };
});
