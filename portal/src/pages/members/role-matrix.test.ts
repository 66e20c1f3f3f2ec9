import type { Roles } from '@robustmq/client';
import { describe, expect, it } from 'vitest';
import { matrixOf } from './role-matrix.ts';

describe('the published matrix', () => {
  it('has a column for each role and a row for each permission', () => {
    const roles: Roles = {
      permissions: [
        { name: 'tenant:read', allows: 'see the tenant' },
        { name: 'audit:read', allows: 'read the audit log' },
      ],
      builtIn: [{ name: 'viewer', permissions: ['tenant:read'] }],
      items: [{ id: '1', name: 'Reviewer', permissions: ['audit:read'] }],
    };
    expect(matrixOf(roles)).toEqual({
      columns: [
        { id: 'viewer', name: 'viewer' },
        { id: '1', name: 'Reviewer' },
      ],
      rows: [
        { permission: 'tenant:read', allows: 'see the tenant', roles: [true, false] },
        { permission: 'audit:read', allows: 'read the audit log', roles: [false, true] },
      ],
    });
  });
});
