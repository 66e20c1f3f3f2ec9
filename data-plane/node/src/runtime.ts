import { randomBytes } from 'node:crypto';
import { pino, type Logger } from 'pino';
import type { Cancel, Log, Runtime } from '@robustmq/wire';

/**
 * The world of a real node: the machine's clocks, the event loop, strong random bytes and a log.
 */
export function systemRuntime(log: Log): Runtime {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    afterPoll: (run) => void setImmediate(run),
    after: (delayMs, run): Cancel => {
      const timer = setTimeout(run, delayMs).unref();
      return () => clearTimeout(timer);
    },
    every: (periodMs, run): Cancel => {
      const timer = setInterval(run, periodMs).unref();
      return () => clearInterval(timer);
    },
    randomBytes: (size) => randomBytes(size),
    log,
  };
}

/**
 * pino behind the Log seam, one JSON line per event, to file descriptor `fd`. Payloads and secrets never get here;
 * `password` and `token` are cut out all the same.
 */
export function nodeLog(level: string, fields: Record<string, unknown>, fd: number): Log {
  const logger: Logger = pino(
    {
      level,
      base: fields,
      redact: ['password', 'token', '*.password', '*.token'],
      serializers: { error: pino.stdSerializers.err },
    },
    pino.destination({ dest: fd, sync: true }),
  );
  return {
    debug: (f, m) => logger.debug(f, m),
    info: (f, m) => logger.info(f, m),
    warn: (f, m) => logger.warn(f, m),
    error: (f, m) => logger.error(f, m),
  };
}
