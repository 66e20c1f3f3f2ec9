import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const room = fileURLToPath(new URL('../..', import.meta.url));

/** Vitest `globalSetup` of every room that tests on the database: generated client, then the one server of the run. */
export default async function setup(): Promise<() => Promise<void>> {
  if (!existsSync(`${room}/src/generated/prisma/client.ts`))
    execFileSync('npm', ['run', '--silent', 'generate'], { cwd: room, stdio: 'pipe' });
  const { startTestServer } = await import('./test-database.ts');
  return startTestServer();
}
