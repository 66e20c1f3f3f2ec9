import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pageOf, VIEW_BYTES_MAX } from './view-page.ts';

it('shows every item once, in order, in pages that fit', () => {
  const item = fc.record({
    key: fc.string({ minLength: 1, maxLength: 8 }),
    bytes: fc.integer({ min: 0, max: 400_000 }),
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(item, { selector: ({ key }) => key, maxLength: 40 }),
      fc.integer({ min: 1, max: 7 }),
      (all, limit) => {
        const seen: string[] = [];
        let after: string | undefined;
        for (let pages = 0; pages <= all.length; pages++) {
          const page = pageOf(
            all,
            ({ key }) => key,
            { after, limit },
            ({ key, bytes }) => ({ key, text: 'x'.repeat(bytes) }),
          );
          expect(page.items.length).toBeLessThanOrEqual(limit);
          if (page.items.length > 1) expect(JSON.stringify(page).length).toBeLessThanOrEqual(VIEW_BYTES_MAX);
          seen.push(...page.items.map(({ key }) => key));
          if (page.next === null) break;
          after = page.next;
        }
        expect(seen).toEqual(all.map(({ key }) => key).sort((a, b) => (a < b ? -1 : 1)));
      },
    ),
    { numRuns: 40 },
  );
});
