import { usageFailure } from './failure.ts';

/** `NAME=NUMBER …` as an object; a number may end in K, M or G (1024). Throws a usage Failure. */
export function quotasFrom(pairs: readonly string[]): Record<string, number> {
  const units: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
  return Object.fromEntries(
    pairs.map((pair) => {
      const found = /^([a-zA-Z]+)=(\d{1,16})([KMG]?)$/.exec(pair);
      if (!found) throw usageFailure(`"${pair}" is no quota.`, 'Write it as topicsMax=500 or storageBytesMax=10G.');
      return [found[1]!, Number(found[2]) * units[found[3]!]!];
    }),
  );
}
