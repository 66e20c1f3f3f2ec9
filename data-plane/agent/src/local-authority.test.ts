import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, createServer, type Server } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LocalAuthority } from './local-authority.ts';
import { scratchDirectory } from './testing/fixtures.ts';

let scratch: { dir: string; remove: () => Promise<void> };
let server: Server | undefined;
beforeEach(async () => {
  scratch = await scratchDirectory();
});
afterEach(async () => {
  server?.close();
  server = undefined;
  await scratch.remove();
});

const NAMES = ['shop.example.test', 'localhost', '127.0.0.1', '::1'];
const read = (name: string) => readFile(join(scratch.dir, name), 'utf8');

it('makes certificates that TLS clients accept who trust the authority alone', async () => {
  const authority = await LocalAuthority.open(scratch.dir);
  await authority.ensureNamespace('shop', NAMES);
  server = createServer({ cert: await read('namespaces/shop.cert.pem'), key: await read('namespaces/shop.key.pem') });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ca = await read('ca.cert.pem');
  for (const servername of ['shop.example.test', 'localhost']) {
    const client = connect({ host: '127.0.0.1', port, ca, servername });
    await once(client, 'secureConnect');
    expect(client.authorized).toBe(true);
    client.destroy();
  }
  const wrong = connect({ host: '127.0.0.1', port, ca, servername: 'bank.example.test' });
  const [error] = (await once(wrong, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
});

it('keeps what is good and makes anew what is not', async () => {
  const now = new Date();
  const authority = await LocalAuthority.open(scratch.dir, now);
  await authority.ensureNode(NAMES, now);
  const first = await read('node.cert.pem');
  await (await LocalAuthority.open(scratch.dir, now)).ensureNode(NAMES, now);
  expect(await read('node.cert.pem')).toBe(first);
  await authority.ensureNode([...NAMES, 'more.example.test'], now);
  const second = await read('node.cert.pem');
  expect(second).not.toBe(first);
  await authority.ensureNode([...NAMES, 'more.example.test'], new Date(now.getTime() + 300 * 86_400_000));
  const third = await read('node.cert.pem');
  expect(third).not.toBe(second);
  await writeFile(join(scratch.dir, 'node.key.pem'), 'nonsense');
  await authority.ensureNode([...NAMES, 'more.example.test'], new Date(now.getTime() + 300 * 86_400_000));
  expect(await read('node.key.pem')).toContain('PRIVATE KEY');
});

it('says that an authority is damaged, and does not quietly make another one', async () => {
  await LocalAuthority.open(scratch.dir);
  await writeFile(join(scratch.dir, 'ca.key.pem'), 'nonsense');
  await expect(LocalAuthority.open(scratch.dir)).rejects.toMatchObject({ code: 'identity-damaged' });
});
