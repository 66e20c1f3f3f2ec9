import { describe, expect, it } from 'vitest';
import { Simulation } from './simulation.ts';

/** 1,000 seeds of 100 steps take about 40 s on one core of 2020s' hardware. */
const SEEDS = 1_000;
const SEEDS_A_TEST = 100;
const STEPS = 100;

describe('the simulator', () => {
  it('does the same thing again for the same seed, and another one for another', async () => {
    const hashes: string[] = [];
    for (const seed of [7, 7, 8]) {
      const lines: string[] = [];
      const { traceHash, events } = await new Simulation(seed, STEPS, (line) => lines.push(line)).run();
      hashes.push(`${traceHash} ${events} ${lines.join('\n')}`);
    }
    expect(hashes[1]).toBe(hashes[0]);
    expect(hashes[2]).not.toBe(hashes[0]);
  });

  it('has every kind of misfortune in its first seeds', async () => {
    const text: string[] = [];
    for (let seed = 1; seed <= 40; seed++) await new Simulation(seed, STEPS, (line) => text.push(line)).run();
    const trace = text.join('\n');
    for (const happened of [
      'node: kill',
      'node: power',
      'while it starts',
      'the medium failed',
      'connack 0 present',
      ' dup #',
      'pubrel #',
      'retained',
      'committed',
      'delete: 0',
      '/claim/',
      'policy: ',
      'agent: churned is removed',
      '/g0: subscribed',
      '|w/p',
    ]) {
      expect(trace).toContain(happened);
    }
  }, 60_000);

  for (let from = 1; from <= SEEDS; from += SEEDS_A_TEST) {
    const to = from + SEEDS_A_TEST - 1;
    it(`keeps every promise with the seeds ${from} to ${to}`, async () => {
      const failed: string[] = [];
      for (let seed = from; seed <= to; seed++) {
        const { violation } = await new Simulation(seed, STEPS).run();
        if (violation !== null) failed.push(`npm run sim -- --seed ${seed} --steps ${STEPS}   # ${violation.message}`);
      }
      expect(failed).toEqual([]);
    }, 120_000);
  }
});
