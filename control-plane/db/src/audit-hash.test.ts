import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { auditHash, type AuditRow } from './audit.ts';

it('hashes audit rows as published: whoever verifies an export with another program gets the same', () => {
  const published = new URL('../../contracts/published/audit-chain.json', import.meta.url);
  const rows = JSON.parse(readFileSync(published, 'utf8')) as (AuditRow & { at: string; hash: string })[];
  expect(rows).toHaveLength(5);
  for (const { hash, ...row } of rows) expect(auditHash({ ...row, at: new Date(row.at) })).toBe(hash);
});
