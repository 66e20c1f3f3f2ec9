import { beforeEach, describe, expect, it } from 'vitest';
import { ERROR } from '../errors.ts';
import { ListGroups } from '../messages/groups.ts';
import { SaslAuthenticate, SaslHandshake } from '../messages/sasl.ts';
import type { FakeClient } from '../testing/fake-client.ts';
import { Fixture } from '../testing/fixture.ts';
import { clientProofOf, verifierOf } from '../testing/scram-client.ts';
import { parseBearer } from './oauth-bearer.ts';
import { ScramExchange } from './scram.ts';

let world: Fixture;
let client: FakeClient;
beforeEach(() => {
  world = new Fixture();
  client = world.client();
});
const handshake = (mechanism: string, version = 1) => world.ask(client, SaslHandshake, version, { mechanism });
const token = (bytes: Buffer | string) =>
  world.ask(client, SaslAuthenticate, 2, { authBytes: Buffer.from(bytes as string) });

async function scram(
  username: string,
  password: string,
  mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512' = 'SCRAM-SHA-256',
) {
  await handshake(mechanism);
  const bare = `n=${username},r=abcdef`;
  const first = await token(`n,,${bare}`);
  expect(first.errorCode).toBe(0);
  const serverFirst = first.authBytes.toString();
  const nonce = /^r=([^,]+),s=[^,]+,i=4096$/.exec(serverFirst)![1]!;
  const withoutProof = `c=biws,r=${nonce}`;
  const authMessage = `${bare},${serverFirst},${withoutProof}`;
  const proof = clientProofOf(password, mechanism, authMessage);
  return token(`${withoutProof},p=${proof.toString('base64')}`);
}

describe('SCRAM (RFC 5802)', () => {
  it('speaks the example of RFC 7677', () => {
    // the nonce of the example's server is not base64 of anything: its text is put in place of the random one
    const exchange = new ScramExchange('SCRAM-SHA-256', Buffer.alloc(24));
    const first = exchange.first(Buffer.from('n,,n=user,r=rOprNGfwEbeRWgbNEkqO'), () =>
      verifierOf('pencil', 'SCRAM-SHA-256'),
    );
    expect(first!.toString()).toBe(`r=rOprNGfwEbeRWgbNEkqO${'A'.repeat(32)},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`);
    const authMessage =
      'n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,' +
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
    const clientProof = clientProofOf('pencil', 'SCRAM-SHA-256', authMessage);
    expect(clientProof.toString('base64')).toBe('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=');
    expect(exchange.serverFinal({ username: 'user', authMessage, clientProof }).toString()).toBe(
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    );
  });
  it.each(['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)(
    '%s lets in who knows the password, into its own cluster',
    async (mechanism) => {
      const last = await scram('joe@red', 'secret', mechanism);
      expect(last.errorCode).toBe(0);
      expect(last.authBytes.toString()).toMatch(/^v=/);
      expect([...world.red.open][0]).toMatchObject({ principal: 'joe' });
    },
  );
  it("takes a final nonce with the client's own once more before it, as librdkafka before 2.3 sends it", async () => {
    await handshake('SCRAM-SHA-256');
    const serverFirst = (await token('n,,n=joe@red,r=abcdef')).authBytes.toString();
    const withoutProof = `c=biws,r=abcdef${/^r=([^,]+)/.exec(serverFirst)![1]!}`;
    const authMessage = `n=joe@red,r=abcdef,${serverFirst},${withoutProof}`;
    const proof = clientProofOf('secret', 'SCRAM-SHA-256', authMessage).toString('base64');
    expect((await token(`${withoutProof},p=${proof}`)).errorCode).toBe(0);
  });
  it('refuses a wrong password and an unknown user in the same way, at the same step', async () => {
    for (const user of ['joe@red', 'nobody@red']) {
      client = world.client();
      const last = await scram(user, 'wrong');
      expect(last).toMatchObject({ errorCode: ERROR.SASL_AUTHENTICATION_FAILED, authBytes: Buffer.alloc(0) });
      expect(client.ended).toBe(true);
    }
  });
  it.each([
    'y,,n=joe,r=x',
    'p=tls-unique,,n=joe,r=x',
    'n,a=other,n=joe,r=x',
    'n,,n=jo=e,r=x',
    'n,,m=1,n=joe,r=x',
    'n,,n=,r=x',
    'rubbish',
  ])('refuses the first message %s', async (message) => {
    await handshake('SCRAM-SHA-256');
    expect((await token(message)).errorCode).toBe(ERROR.SASL_AUTHENTICATION_FAILED);
  });
  it.each(['c=biws,r=other,p=AAAA', 'c=eSws,r=abcdef,p=AAAA', 'c=biws,r=abcdef', 'x'])(
    'refuses the final message %s',
    async (message) => {
      await handshake('SCRAM-SHA-256');
      await token('n,,n=joe@red,r=abcdef');
      expect((await token(message)).errorCode).toBe(ERROR.SASL_AUTHENTICATION_FAILED);
    },
  );
});

describe('OAUTHBEARER (RFC 7628)', () => {
  it('reads token, authzid and cluster', () => {
    expect(parseBearer(Buffer.from('n,,\u0001auth=Bearer a.b.c\u0001\u0001'))).toEqual({
      token: 'a.b.c',
      username: null,
    });
    expect(parseBearer(Buffer.from('n,a=x@red,\u0001auth=Bearer t\u0001\u0001'))).toEqual({
      token: 't',
      username: 'x@red',
    });
    const extended = 'n,,\u0001auth=bearer t\u0001logicalCluster=red\u0001\u0001';
    expect(parseBearer(Buffer.from(extended))).toEqual({ token: 't', username: '@red' });
    for (const bad of [
      '',
      'n,,',
      'n,,\u0001auth=Basic x\u0001\u0001',
      'n,,\u0001auth=Bearer x\u0001',
      'y,,\u0001auth=Bearer x\u0001\u0001',
    ]) {
      expect(parseBearer(Buffer.from(bad))).toBeNull();
    }
  });
  const bearer = (value: string) => token(`n,,\u0001auth=Bearer ${value}\u0001\u0001`);
  it('tells how long the session lasts, and takes a new token on the same connection (KIP-368)', async () => {
    world.broker.tokens.set('t1', { who: 'joe@red', expiresAtMs: world.runtime.nowMs() + 60_000 });
    world.broker.tokens.set('t2', { who: 'joe@red', expiresAtMs: world.runtime.nowMs() + 90_000 });
    world.broker.tokens.set('t3', { who: 'jim@red', expiresAtMs: world.runtime.nowMs() + 90_000 });
    await handshake('OAUTHBEARER');
    expect(await bearer('t1')).toMatchObject({ errorCode: 0, sessionLifetimeMs: 60_000 });
    expect((await handshake('PLAIN')).errorCode).toBe(ERROR.ILLEGAL_SASL_STATE);
    expect((await handshake('OAUTHBEARER')).errorCode).toBe(0);
    expect(await bearer('t2')).toMatchObject({ errorCode: 0, sessionLifetimeMs: 90_000 });
    expect(world.red.open.size).toBe(1);
    expect((await world.ask(client, ListGroups, 0, {} as never)).errorCode).toBe(0);
    await handshake('OAUTHBEARER');
    expect((await bearer('t3')).errorCode).toBe(ERROR.SASL_AUTHENTICATION_FAILED);
    expect(client.ended).toBe(true);
  });
});

it('a client certificate is a principal without SASL', async () => {
  client = world.client({ clientCertificate: Buffer.from('joe@red') });
  expect((await world.ask(client, ListGroups, 0, {} as never)).errorCode).toBe(0);
  expect([...world.red.open][0]).toMatchObject({ principal: 'joe' });
});
