import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ChainVerifier, type ChainedRow } from './audit-chain.ts';

/** What the control plane wrote once; `db` has a test that it would write the same today. */
const PUBLISHED = new URL('../../contracts/published/audit-chain.json', import.meta.url);
const rows = JSON.parse(readFileSync(PUBLISHED, 'utf8')) as ChainedRow[];

/** The first break of the rows; undefined when the chain holds. */
function broken(chain: readonly ChainedRow[]) {
  const verifier = new ChainVerifier();
  for (const row of chain) {
    const found = verifier.next(row);
    if (found) return found;
  }
  return undefined;
}

it('follows the chain that the control plane writes, and names the row that was touched', () => {
  expect(rows).toHaveLength(5);
  expect(broken(rows)).toBeUndefined();
  for (const column of ['actorId', 'at', 'detail', 'result', 'hash'])
    expect(broken(rows.map((row) => (row.seq === 3 ? { ...row, [column]: 'x' } : row)))).toEqual({
      seq: 3,
      what: 'it was altered',
    });
  expect(broken(rows.filter((row) => row.seq !== 2))).toEqual({ seq: 3, what: 'row 2 is missing' });
  expect(broken(rows.map((row) => (row.seq === 4 ? { ...row, prevHash: rows[0]!.hash } : row)))).toMatchObject({
    seq: 4,
  });
});
