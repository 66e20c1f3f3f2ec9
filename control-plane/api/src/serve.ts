import { Database, DatabaseError } from '@robustmq/db';
import { createApp, listen } from './app.ts';
import { KeyRing, KeysError } from './auth/key-ring.ts';
import { readSettings, SettingsError } from './settings.ts';

/** After a stop signal the process ends by then, whatever still runs, in milliseconds. */
const SHUTDOWN_MS = 4_500;

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const keys = KeyRing.open(settings.keysFile);
  const database = await Database.open({ url: settings.databaseUrl });
  const app = await createApp(settings, keys, database);
  await listen(app, settings);

  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(0), SHUTDOWN_MS).unref();
    void app
      .close()
      .then(() => database.close())
      .finally(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  // the launcher opened an IPC channel: without it, nobody would stop this process any more
  if (process.connected) process.once('disconnect', stop);
}

/** One clear sentence for the failures a person can act on. */
function sentence(error: unknown): string {
  if (error instanceof SettingsError || error instanceof KeysError || error instanceof DatabaseError)
    return error.message;
  const code = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  if (code === 'EADDRINUSE') return `Port ${String(Reflect.get(error as Error, 'port'))} is in use by another program.`;
  if (error instanceof Error && /EADDRINUSE|No address added/.test(error.message))
    return `The port of the agent link (ROBUSTMQ_AGENT_PORT) is in use by another program.`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

main().catch((error: unknown) => {
  process.stderr.write(`${sentence(error)}\n`, () => process.exit(1));
});
