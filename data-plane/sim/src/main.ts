import { Simulation, type RunResult } from './simulation.ts';

const STEPS_DEFAULT = 300;

interface Options {
  readonly from: number;
  readonly to: number;
  readonly steps: number;
  readonly isTraced: boolean;
  readonly shrinks: boolean;
}

const USAGE = `npm run sim -- --seed N [--steps M] [--shrink]     replays one run with its trace
npm run sim -- --seeds FROM..TO [--steps M]         a soak: one line for each run that fails`;

function optionsOf(args: readonly string[]): Options | null {
  const value = (name: string): string | undefined => {
    const at = args.indexOf(name);
    return at < 0 ? undefined : args[at + 1];
  };
  const steps = Number(value('--steps') ?? STEPS_DEFAULT);
  const seed = value('--seed');
  const range = /^(\d+)\.\.(\d+)$/.exec(value('--seeds') ?? '');
  const shrinks = args.includes('--shrink');
  if (!Number.isSafeInteger(steps) || steps < 0) return null;
  if (seed !== undefined && /^\d+$/.test(seed))
    return { from: Number(seed), to: Number(seed), steps, isTraced: true, shrinks };
  if (range === null) return null;
  return { from: Number(range[1]), to: Number(range[2]), steps, isTraced: false, shrinks };
}

/** The fewest steps with which the seed still fails the same way: halves, then eighths, then single steps. */
async function shrink(result: RunResult): Promise<RunResult> {
  let best = result;
  for (let cut = Math.ceil(best.steps / 2); cut >= 1; cut = cut === 1 ? 0 : Math.ceil(cut / 2)) {
    for (;;) {
      if (best.steps - cut < 0) break;
      const tried = await new Simulation(best.seed, best.steps - cut).run();
      if (tried.violation?.invariant !== best.violation?.invariant) break;
      best = tried;
    }
  }
  return best;
}

function describe({ seed, steps, violation, traceHash, events, starts, acknowledged }: RunResult): string {
  const what =
    violation === null ? 'ok' : `FAILED ${violation.message}\n  npm run sim -- --seed ${seed} --steps ${steps}`;
  return `seed ${seed}: ${events} events, ${starts} starts, ${acknowledged} acknowledged, trace ${traceHash}: ${what}`;
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (options === null) {
    console.error(USAGE);
    return 2;
  }
  let failed = 0;
  const began = performance.now();
  for (let seed = options.from; seed <= options.to; seed++) {
    const trace = options.isTraced && !options.shrinks ? (line: string): void => console.log(line) : null;
    let result = await new Simulation(seed, options.steps, trace).run();
    if (result.violation !== null && options.shrinks) result = await shrink(result);
    if (result.violation !== null) failed++;
    if (result.violation !== null || options.isTraced) console.log(describe(result));
  }
  const runs = options.to - options.from + 1;
  const seconds = (performance.now() - began) / 1000;
  console.log(`${runs - failed} of ${runs} runs passed, ${(seconds / runs).toFixed(3)} s each`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
