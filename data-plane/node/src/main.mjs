import { enableCompileCache, flushCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

// JavaScript, not TypeScript: Node loads its type stripper (33 MB) for the first TypeScript file that is not in the cache.
// Compiled code of all rooms is kept, which halves the time to the first listener. The directory belongs to the user who
// runs the node, for whoever can write there decides what the node executes. Where it cannot be written, nothing is kept.
enableCompileCache(process.env['NODE_COMPILE_CACHE'] ?? join(homedir(), '.cache', 'robustmq', 'compiled'));
const { runCommandLine } = await import('./command-line.ts');
await runCommandLine(process.argv.slice(2));
flushCompileCache();
