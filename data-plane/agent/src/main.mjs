import { enableCompileCache, flushCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

// JavaScript, not TypeScript: Node loads its type stripper (33 MB) for the first TypeScript file that is not in the cache.
// Compiling what the process is made of takes as long as everything else of a start: it is kept between starts. The cache
// must be on before anything else is loaded, so the program itself is a module of its own.
enableCompileCache(process.env['NODE_COMPILE_CACHE'] ?? join(homedir(), '.cache', 'robustmq', 'compiled'));
await import('./serve.ts');
flushCompileCache();
