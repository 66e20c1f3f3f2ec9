import { enableCompileCache, flushCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const HEAP_BYTES_MAX = 64 * 2 ** 20;

// V8 otherwise collects the whole heap for every 8 to 28 MB of Buffers it let go, which took a third of the CPU of a node
// that serves Kafka at full speed. So what lies outside the heap counts as if it lay inside, and both together may grow by half.
setFlagsFromString('--external-memory-accounted-in-global-limit');
setFlagsFromString('--heap-growing-percent=50');

// JavaScript, not TypeScript: Node loads its type stripper (33 MB) for the first TypeScript file that is not in the cache.
// Compiled code of all rooms is kept, which halves the time to the first listener. The directory belongs to the user who
// runs the node, for whoever can write there decides what the node executes. Where it cannot be written, nothing is kept.
enableCompileCache(process.env['NODE_COMPILE_CACHE'] ?? join(homedir(), '.cache', 'robustmq', 'compiled'));
const { runCommandLine } = await import('./command-line.ts');
await runCommandLine(process.argv.slice(2));
flushCompileCache();
giveBackStartGarbage();

/**
 * What loading and recovery left behind is some 18 MB that V8 keeps until it needs room, and an idle node never does. Not
 * where recovery made a large heap: going through that would hold up the first clients.
 */
function giveBackStartGarbage() {
  if (process.memoryUsage().heapUsed > HEAP_BYTES_MAX) return;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
