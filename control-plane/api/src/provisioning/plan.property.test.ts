import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conditionsOf, isServed, nextStep, phaseOf, type ClusterSituation } from './plan.ts';

const situation = fc
  .record({
    plan: fc.constantFrom('serverless' as const, 'dedicated' as const),
    generation: fc.integer({ min: 1, max: 5 }),
    deletionRequested: fc.boolean(),
    agentId: fc.constantFrom(null, 'a'),
    portBase: fc.constantFrom(null, 20_000),
    handedGeneration: fc.integer({ min: 0, max: 5 }),
    observedGeneration: fc.integer({ min: 0, max: 5 }),
    endpointsReachable: fc.boolean(),
    phase: fc.constantFrom('Pending' as const, 'Ready' as const, 'Deleted' as const, 'Failed' as const),
    lastError: fc.constantFrom(null, 'no'),
    restorable: fc.constant(false),
    paused: fc.boolean(),
    suspended: fc.boolean(),
  })
  .map((s): ClusterSituation => ({ ...s, handedGeneration: Math.min(s.handedGeneration, s.generation) }));

/** What carrying a step out does to the situation. */
function carriedOut(s: ClusterSituation): ClusterSituation {
  const step = nextStep(s);
  if (step === 'place') return { ...s, agentId: 'a' };
  if (step === 'allocate-ports') return { ...s, portBase: 20_000 };
  if (step === 'hand-over') return { ...s, handedGeneration: s.generation };
  if (step === 'finish-removal') return { ...s, phase: 'Deleted' };
  if (step === 'await-agent' && s.deletionRequested) return { ...s, phase: 'Deleted' };
  if (step === 'await-agent')
    return { ...s, observedGeneration: s.generation, endpointsReachable: true, lastError: null };
  return s;
}

describe('the plan of a cluster', () => {
  it('comes to rest from every situation within six steps, served or gone', () => {
    fc.assert(
      fc.property(situation, (start) => {
        let s = start;
        for (let count = 0; count < 6 && nextStep(s) !== 'rest'; count += 1) s = carriedOut(s);
        expect(nextStep(s)).toBe('rest');
        expect(s.phase === 'Deleted' || isServed(s)).toBe(true);
      }),
    );
  });

  it('says Ready only of what is observed and reachable, and never of what is to go', () => {
    fc.assert(
      fc.property(situation, (s) => {
        if (phaseOf(s) !== 'Ready') return;
        expect(s.observedGeneration).toBeGreaterThanOrEqual(s.generation);
        expect(s.endpointsReachable && !s.deletionRequested).toBe(true);
      }),
    );
  });

  it('hands a dedicated cluster over only with its ports, and never places one that is to go', () => {
    fc.assert(
      fc.property(situation, (s) => {
        const step = nextStep(s);
        if (step === 'hand-over' && !s.deletionRequested && s.plan === 'dedicated') expect(s.portBase).not.toBeNull();
        if (s.deletionRequested) expect(['place', 'allocate-ports']).not.toContain(step);
      }),
    );
  });

  it('keeps the time of a condition while its status stays', () => {
    fc.assert(
      fc.property(situation, situation, (a, b) => {
        const before = conditionsOf(a, [], new Date(0));
        for (const row of conditionsOf(b, before, new Date(1))) {
          const old = before.find((one) => one.type === row.type)!;
          expect(row.since).toBe(new Date(old.status === row.status ? 0 : 1).toISOString());
        }
      }),
    );
  });
});
