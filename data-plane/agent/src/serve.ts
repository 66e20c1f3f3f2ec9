import { pino } from 'pino';
import { readAgentConfig } from './agent-config.ts';
import { sentenceOf } from './agent-error.ts';
import { Agent } from './agent.ts';

/** A stop that takes longer is cut off: whoever asked for it will not wait either. */
const STOP_MS_MAX = 5_000;

const log = pino({ name: 'agent' }, pino.destination({ dest: 1, sync: true }));

async function main(): Promise<void> {
  const agent = new Agent(readAgentConfig(process.env), log);
  let stopping = false;
  const stop = (why: string, code: number): void => {
    if (stopping) return;
    stopping = true;
    log.info({ why }, 'stopping');
    setTimeout(() => process.exit(code), STOP_MS_MAX).unref();
    void agent.close(true).finally(() => process.exit(code));
  };
  process.on('SIGTERM', () => stop('SIGTERM', 0));
  process.on('SIGINT', () => stop('SIGINT', 0));
  // Started by the launcher: when it is gone, nobody wants this machine to serve any more.
  if (process.connected) process.on('disconnect', () => stop('launcher gone', 0));
  try {
    await agent.start();
  } catch (error) {
    process.stderr.write(`${sentenceOf(error)}\n`);
    stop('start failed', 1);
  }
}

process.on('uncaughtException', (error) => {
  log.fatal({ error: error.stack }, 'uncaught');
  process.exit(1);
});

main().catch((error: unknown) => {
  process.stderr.write(`${sentenceOf(error)}\n`);
  process.exit(1);
});
