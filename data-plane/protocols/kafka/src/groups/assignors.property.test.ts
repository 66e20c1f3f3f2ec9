import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AssignableTopic, type AssignedMember, type Assignment, ASSIGNORS } from './assignors.ts';

const topics = fc.uniqueArray(
  fc.record({ topicId: fc.constantFrom('a', 'b', 'c', 'd'), partitions: fc.integer({ min: 1, max: 12 }) }),
  {
    selector: ({ topicId }) => topicId,
    maxLength: 4,
  },
);
const members = fc.uniqueArray(
  fc.record({ memberId: fc.constantFrom('m1', 'm2', 'm3', 'm4', 'm5'), topicIds: fc.subarray(['a', 'b', 'c', 'd']) }),
  { selector: ({ memberId }) => memberId, maxLength: 5 },
);

function withOwned(
  list: readonly { memberId: string; topicIds: readonly string[] }[],
  before: Assignment,
): AssignedMember[] {
  return list.map(({ memberId, topicIds }) => ({
    memberId,
    topicIds: new Set(topicIds),
    owned: before.get(memberId) ?? new Set(),
  }));
}
function wanted(list: readonly { topicIds: readonly string[] }[], all: readonly AssignableTopic[]): string[] {
  return all
    .filter(({ topicId }) => list.some(({ topicIds }) => topicIds.includes(topicId)))
    .flatMap(({ topicId, partitions }) => Array.from({ length: partitions }, (_, index) => `${topicId}/${index}`))
    .sort();
}

describe.each(Object.entries(ASSIGNORS))('%s', (_name, assign) => {
  it('gives every partition that somebody reads to exactly one who reads it, whatever was before', () => {
    fc.assert(
      fc.property(members, members, topics, (first, second, all) => {
        const before = assign(withOwned(first, new Map()), all);
        const after = assign(withOwned(second, before), all);
        expect([...after.values()].flatMap((mine) => [...mine]).sort()).toEqual(wanted(second, all));
        for (const { memberId, topicIds } of second) {
          for (const partition of after.get(memberId)!) expect(topicIds).toContain(partition.split('/')[0]);
        }
      }),
    );
  });
});

describe('uniform', () => {
  const assign = ASSIGNORS['uniform']!;
  const everything = ['a', 'b', 'c', 'd'];
  const ids = fc.uniqueArray(fc.constantFrom('m1', 'm2', 'm3', 'm4', 'm5'), { minLength: 1 });
  it('differs by one at most between equals, and a change moves no more than it must', () => {
    fc.assert(
      fc.property(ids, ids, topics, (first, second, all) => {
        const group = (list: readonly string[]) => list.map((memberId) => ({ memberId, topicIds: everything }));
        const before = assign(withOwned(group(first), new Map()), all);
        const after = assign(withOwned(group(second), before), all);
        const sizes = [...after.values()].map(({ size }) => size);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        const again = assign(withOwned(group(second), after), all);
        expect(again).toEqual(after);
        const least = Math.min(...sizes);
        for (const memberId of second.filter((id) => first.includes(id))) {
          const kept = [...after.get(memberId)!].filter((one) => before.get(memberId)!.has(one)).length;
          expect(kept).toBeGreaterThanOrEqual(Math.min(before.get(memberId)!.size, least));
        }
      }),
    );
  });
});
