import { run } from './program.ts';
import { terminal } from './terminal.ts';

// A reader that went away (`robust-ctl … | head -1`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});
process.exitCode = await run(process.argv.slice(2), terminal());
