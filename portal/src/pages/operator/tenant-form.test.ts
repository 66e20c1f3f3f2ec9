import { describe, expect, it } from 'vitest';
import { midnightOf, monthsLater, tenantFault } from './tenant-form.ts';

describe('the operator’s forms', () => {
  it('know a tenant’s id', () => {
    expect(tenantFault(' 01a203dd-12da-75d8-bb7e-b605ba671ca1 ')).toBeNull();
    expect(tenantFault('demo')).toMatch(/id of a tenant/);
  });
  it('go on by months, within them', () => {
    expect(monthsLater('2026-11-22', 1)).toBe('2026-12-22');
    expect(monthsLater('2026-12-05', 1)).toBe('2027-01-05');
    expect(monthsLater('2027-01-31', 1)).toBe('2027-02-28');
  });
  it('begin days at midnight in UTC', () => {
    expect(midnightOf('2026-12-01')).toBe('2026-12-01T00:00:00.000Z');
    expect(midnightOf('2026-13-01')).toBeUndefined();
    expect(midnightOf('soon')).toBeUndefined();
  });
});
