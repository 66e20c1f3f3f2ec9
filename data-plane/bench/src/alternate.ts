import { PeerFailure } from './peer-failure.ts';

/** What `alternate` needs of a server under measurement. */
export interface Contender {
  readonly name: string;
  /** False for somebody else's server: its failure is a row of the table, not the end of the run. */
  readonly isOurs: boolean;
  restart(): Promise<void>;
}

/** One result per round, or why there are none. */
export type Results<T> = T[] | string;

/**
 * Measures every contender once per round; the order turns round with each round. A contender that is not ours and fails
 * is started again once (not where it was only slow) and measured again; when that fails too, it is out of this scenario
 * and started again for the next. Throws what ours throws.
 */
export async function alternate<C extends Contender, T>(
  contenders: readonly C[],
  rounds: number,
  run: (contender: C) => Promise<T>,
  say: (line: string) => void,
): Promise<Results<T>[]> {
  const results: Results<T>[] = contenders.map(() => []);
  const restarted = new Set<C>();
  const attempt = async (contender: C): Promise<T | string> => {
    try {
      return await run(contender);
    } catch (error) {
      if (contender.isOurs) throw error;
      const first = !restarted.has(contender);
      restarted.add(contender);
      const isWell = error instanceof PeerFailure && error.isSlowness;
      const next = isWell ? 'measured again' : 'started again';
      say(`${describe(contender.name, error)}; ${first ? next : 'not measured here'}`);
      try {
        if (!isWell) await contender.restart();
      } catch (refusal) {
        say(describe(contender.name, refusal));
        return unavailable(refusal);
      }
      return first ? attempt(contender) : unavailable(error);
    }
  };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 ? [...contenders.keys()].reverse() : [...contenders.keys()];
    for (const index of order) {
      const sofar = results[index]!;
      if (typeof sofar === 'string') continue;
      const result = await attempt(contenders[index]!);
      if (typeof result === 'string') results[index] = result;
      else sofar.push(result);
    }
  }
  return results;
}

const unavailable = (error: unknown): string =>
  `n/a (${error instanceof PeerFailure ? error.reason : error instanceof Error ? error.message : String(error)})`;

const describe = (name: string, error: unknown): string =>
  error instanceof PeerFailure ? error.message : `${name}: ${error instanceof Error ? error.message : String(error)}`;
