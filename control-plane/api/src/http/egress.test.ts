import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Settings } from '../settings.ts';
import { Egress, EgressRefused, isPublic } from './egress.ts';

const guarded = new Egress({} as Settings);
const open = new Egress({ egressPrivate: true } as Settings);

describe('addresses that tenants name', () => {
  it.each([
    'http://example.com/',
    'ftp://example.com/',
    'https://example.com:22/',
    'https://user:pass@example.com/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[2002:7f00:1::]/',
    'https://[fd00::1]/',
    'https://[fe80::1]/',
    'https://169.254.169.254/latest/meta-data',
    'https://100.64.0.1/',
    'https://10.1.2.3:8443/',
    'https://0.0.0.0/',
    'https://localhost/',
    'https://localhost./',
    'https://db.internal/',
    'not an address',
  ])('are refused: %s', async (url) => {
    expect(guarded.objection(url)).toBeTypeOf('string');
    await expect(guarded.send({ url, method: 'GET' })).rejects.toThrow(EgressRefused);
  });

  it.each([
    'https://example.com/',
    'https://example.com:8443/x?y',
    'https://93.184.215.14/',
    'https://[2606:2800::1]/',
  ])('are taken: %s', (url) => expect(guarded.objection(url)).toBeUndefined());

  it('know what is public', () => {
    expect(['8.8.8.8', '2606:4700::1111', '172.32.0.1'].every(isPublic)).toBe(true);
    expect(['224.0.0.1', '255.255.255.255', 'ff02::1', '::', '2001:db8::1', 'x'].some(isPublic)).toBe(false);
  });
});

describe('an answer', () => {
  const server = createServer((request, response) => {
    if (request.url === '/redirect') response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    else response.end('x'.repeat(200_000));
  });
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => server.close());
  const at = (path: string) => `http://localhost:${(server.address() as { port: number }).port}${path}`;

  it('is read up to its limit, and a redirect is an answer like any other', async () => {
    const { status, body } = await open.send({ url: at('/'), method: 'GET' });
    expect([status, body.length]).toEqual([200, 65_536]);
    expect((await open.send({ url: at('/redirect'), method: 'GET' })).status).toBe(302);
  });
});
