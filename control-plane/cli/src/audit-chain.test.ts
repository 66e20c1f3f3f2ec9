import { expect, it } from 'vitest';
import { auditHash, AUDIT_GENESIS, type AuditRow } from '../../db/src/audit.ts';
import { ChainVerifier, type ChainedRow } from './audit-chain.ts';

function chain(length: number): ChainedRow[] {
  const rows: ChainedRow[] = [];
  for (let seq = 1; seq <= length; seq += 1) {
    const row: AuditRow = {
      ...{ tenantId: 't', seq, at: new Date(seq), actorType: 'user', actorId: 'u', actorIp: null, action: 'a.b' },
      ...{ targetType: 'x', targetId: 'y', result: 'ok', requestId: 'r', detail: { b: 1, a: [{ d: 1, c: null }] } },
      prevHash: rows.at(-1)?.hash ?? AUDIT_GENESIS,
    };
    rows.push({ ...row, at: row.at.toISOString(), hash: auditHash(row) });
  }
  return rows;
}

/** The first break of the rows; undefined when the chain holds. */
function broken(rows: readonly ChainedRow[]) {
  const verifier = new ChainVerifier();
  for (const row of rows) {
    const found = verifier.next(JSON.parse(JSON.stringify(row)) as ChainedRow);
    if (found) return found;
  }
  return undefined;
}

it('follows the chain that the control plane writes, and names the row that was touched', () => {
  const rows = chain(5);
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
