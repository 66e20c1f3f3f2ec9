/** Everything a command may touch of the outside world; tests give it a recording one. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: AsyncIterable<Buffer | string>;
  readonly stdinIsTty: boolean;
  readonly stderrIsTty: boolean;
  /** Data: tables, JSON, YAML, messages. */
  out(text: string): void;
  /** Words for people. */
  note(text: string): void;
  /** One typed line; `hidden` input is not echoed. */
  ask(question: string, hidden: boolean): Promise<string>;
  sleep(ms: number): Promise<void>;
  now(): number;
  /** Runs `stop` at the first Ctrl-C or SIGTERM; returns what takes the handler away. */
  onInterrupt(stop: () => void): () => void;
}

async function ask(question: string, hidden: boolean): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const { Writable } = await import('node:stream');
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  process.stderr.write(question);
  const lines = createInterface({ input: process.stdin, output: hidden ? silent : process.stderr, terminal: true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    if (hidden) process.stderr.write('\n');
  }
}

/** The process's own streams, clock and signals. */
export const terminal = (): Terminal => ({
  env: process.env,
  stdin: process.stdin,
  stdinIsTty: process.stdin.isTTY === true,
  stderrIsTty: process.stderr.isTTY === true,
  out: (text) => void process.stdout.write(text),
  note: (text) => void process.stderr.write(`${text}\n`),
  ask,
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  now: () => Date.now(),
  onInterrupt: (stop) => {
    const signals = ['SIGINT', 'SIGTERM'] as const;
    for (const signal of signals) process.once(signal, stop);
    return () => {
      for (const signal of signals) process.off(signal, stop);
    };
  },
});
