import { AuthenticationSettings } from '@robustmq/contracts';
import { describe, expect, it } from 'vitest';
import { authErrors, authOf, authPatch, authValues } from './auth-form.ts';

const NONE = AuthenticationSettings.parse({});
const FULL = AuthenticationSettings.parse({
  anonymous: true,
  jwt: { issuer: 'https://id.example.com', algorithms: ['ES256'], keys: [{ kty: 'EC', crv: 'P-256', x: 'a', y: 'b' }] },
  x509: {
    authoritiesPem: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
    revokedSerials: ['0a1b', 'ff'],
  },
  http: { url: 'https://example.com/auth', headers: { Authorization: 'Bearer a:b' } },
});

describe('the form of the ways to authenticate', () => {
  it('gives back what it was given', () => {
    for (const settings of [NONE, FULL]) {
      const values = authValues(settings);
      expect(authErrors(values)).toEqual({});
      expect(AuthenticationSettings.parse(authOf(values))).toEqual(settings);
      expect(authPatch(settings, values)).toEqual({});
    }
  });

  it('sends what was changed alone, and null for what is off', () => {
    const values = authValues(FULL);
    values.jwt.audience = 'robustmq';
    values.jwt.issuer = '';
    values.http.on = false;
    expect(authPatch(FULL, values)).toEqual({
      authentication: { http: null, jwt: { audience: 'robustmq', issuer: null } },
    });
  });

  it('says what is wrong with the ways that are on', () => {
    const values = authValues(NONE);
    values.jwt.keys = 'no JSON';
    expect(authErrors(values)).toEqual({});
    for (const way of [values.jwt, values.x509, values.http]) way.on = true;
    values.http.timeoutMs = 10;
    values.x509.revokedSerials = 'xyz';
    expect(Object.keys(authErrors(values)).sort()).toEqual(
      ['http.timeoutMs', 'http.url', 'jwt.keys', 'x509.authoritiesPem', 'x509.revokedSerials'].sort(),
    );
  });
});
