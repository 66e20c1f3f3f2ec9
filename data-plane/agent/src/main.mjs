import { enableCompileCache, flushCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// An agent allocates little and for long: a young generation of 1 MB does, and what grows is collected early.
setFlagsFromString('--max-semi-space-size=1');
setFlagsFromString('--heap-growing-percent=20');

// JavaScript, not TypeScript: Node loads its type stripper (33 MB) for the first TypeScript file that is not in the cache.
// Compiling what the process is made of takes as long as everything else of a start: it is kept between starts. The cache
// must be on before anything else is loaded, so the program itself is a module of its own.
enableCompileCache(process.env['NODE_COMPILE_CACHE'] ?? join(homedir(), '.cache', 'robustmq', 'compiled'));
await import('./serve.ts');
flushCompileCache();
setTimeout(giveBackStartGarbage, 10_000).unref();

/** What loading and the first connections left behind, which V8 would keep until it needs room. */
function giveBackStartGarbage() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
