import type { SsoProvider } from '@robustmq/contracts';
import { describe, expect, it } from 'vitest';
import { bodyOfForm, groupRolesOf, NEW_PROVIDER, REFUSED, valuesOf } from './provider-form.ts';

const BUILT_IN = ['owner', 'admin', 'viewer'];
const OWN = [{ id: '01a203dd-12da-75d8-bb7e-b605ba671ca1', name: 'On call' }];

describe('an identity provider’s form', () => {
  it('reads group roles by line, the tenant’s own roles too', () => {
    expect(groupRolesOf('ops=Admin\n\n a=b = on call', BUILT_IN, OWN)).toEqual([
      { group: 'ops', role: 'admin' },
      { group: 'a=b', role: 'custom', customRoleId: OWN[0]!.id },
    ]);
    expect(groupRolesOf('ops', BUILT_IN, OWN)).toBe('Write it as group = role: ops');
    expect(groupRolesOf('ops = king', BUILT_IN, OWN)).toBe('There is no role king');
  });

  it('gives back what it was given, and no secret', () => {
    const provider: SsoProvider = {
      ...{ id: OWN[0]!.id, name: 'Example', issuer: 'https://id.example.com', clientId: 'c', defaultRole: null },
      ...{ defaultCustomRoleId: null, groupsClaim: 'groups', joins: true, enabled: true, hasSecret: true },
      ...{ forOwners: false, redirectUri: 'https://cloud.example.com/login/sso', createdAt: '2026-11-22T00:00:00Z' },
      groupRoles: [
        { group: 'ops', role: 'admin' },
        { group: 'night', role: 'custom', customRoleId: OWN[0]!.id },
      ],
    };
    const values = valuesOf(provider, OWN);
    expect(values).toMatchObject({
      defaultRole: REFUSED,
      groupRoles: 'ops = admin\nnight = On call',
      clientSecret: '',
    });
    const roles = groupRolesOf(values.groupRoles, BUILT_IN, OWN);
    expect(roles).toEqual(provider.groupRoles);
    const body = bodyOfForm(values, typeof roles === 'string' ? [] : roles);
    expect(body).toMatchObject({ defaultRole: null, issuer: provider.issuer, groupRoles: provider.groupRoles });
    expect(body).not.toHaveProperty('clientSecret');
    expect(bodyOfForm(NEW_PROVIDER, []).defaultRole).toBe('viewer');
  });
});
