import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { namedTests, renderTable, TABLE_PATH, VERSIONS } from './conformance-table.ts';

describe('the conformance table', () => {
  const tests = namedTests();
  it('is what the tests say: run npm run conformance in this room when it is not', () => {
    expect(readFileSync(TABLE_PATH, 'utf8')).toBe(renderTable(tests));
  });
  it('has every statement once, and no test names one that does not exist', () => {
    const known = VERSIONS.flatMap(({ mark, statements }) => statements.map(({ id }) => `${mark}-${id}`));
    expect(new Set(known).size).toBe(known.length);
    expect(tests.flatMap(({ ids }) => ids).filter((id) => !known.includes(id))).toEqual([]);
  });
  it('leaves no statement of this server without a test', () => {
    const named = new Set(tests.flatMap(({ ids }) => ids));
    const owed = VERSIONS.flatMap(({ mark, statements }) =>
      statements.filter(({ notOurs }) => notOurs === undefined).map(({ id }) => `${mark}-${id}`),
    );
    expect(owed.filter((id) => !named.has(id))).toEqual([]);
  });
});
