import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { makeCertificate } from './x509.ts';

const days = (n: number): Date => new Date(1_795_000_000_000 + n * 86_400_000);
const keys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const authority = keys();
const authorityPem = makeCertificate(
  {
    commonName: 'Test authority',
    publicKey: authority.publicKey,
    names: [],
    notBefore: days(0),
    notAfter: days(20_000),
    use: 'authority',
  },
  { privateKey: authority.privateKey },
);
const issuer = { privateKey: authority.privateKey, certificate: new X509Certificate(authorityPem) };

it('makes an authority that signs itself', () => {
  const { certificate } = issuer;
  expect(certificate.ca).toBe(true);
  expect(certificate.subject).toBe('CN=Test authority');
  expect(certificate.checkIssued(certificate)).toBe(true);
  expect(certificate.verify(authority.publicKey)).toBe(true);
  expect(new Date(certificate.validTo).getUTCFullYear()).toBeGreaterThan(2050);
});

const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}[a-z0-9]$/);
const address = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((text) => !text.includes('.')),
);

it('makes certificates that Node reads back as they were asked for', { timeout: 60_000 }, () => {
  const subject = keys();
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).filter((text) => !/[\0\n\\+,"/]/.test(text)),
      fc.array(label, { maxLength: 5 }),
      fc.array(address, { maxLength: 3 }),
      fc.integer({ min: 0, max: 60_000 }),
      (commonName, hosts, addresses, first) => {
        const pem = makeCertificate(
          {
            commonName,
            publicKey: subject.publicKey,
            names: [...hosts, ...addresses],
            notBefore: days(first),
            notAfter: days(first + 397),
            use: 'client',
          },
          issuer,
        );
        const certificate = new X509Certificate(pem);
        expect(certificate.verify(authority.publicKey)).toBe(true);
        expect(certificate.checkIssued(issuer.certificate)).toBe(true);
        expect(certificate.ca).toBe(false);
        expect(certificate.publicKey.equals(subject.publicKey)).toBe(true);
        expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
        expect(Date.parse(certificate.validFrom)).toBe(days(first).getTime());
        expect(Date.parse(certificate.validTo)).toBe(days(first + 397).getTime());
        for (const host of hosts) expect(certificate.checkHost(host, { subject: 'never' })).toBe(host);
        for (const ip of addresses) expect(certificate.checkIP(ip)).toBe(ip);
        expect(certificate.checkHost('elsewhere.example', { subject: 'never' })).toBeUndefined();
      },
    ),
    { numRuns: 60 },
  );
});
