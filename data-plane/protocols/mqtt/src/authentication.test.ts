import { createHash, createHmac } from 'node:crypto';
import { credential } from '@robustmq/broker/testing';
import fc from 'fast-check';
import type { Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { ScramExchange } from './scram.ts';
import type { ScramMechanism } from './scram.ts';
import { publish, RealWorld, settingsWith, subscribe, told } from './testing/real-world.ts';
import { ScramClient, scramVerifier } from './testing/scram-client.ts';

const MECHANISMS: readonly ScramMechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];
const start = () =>
  RealWorld.start({
    allowAnonymous: false,
    credentials: ['ann', 'o=n,e'].map((name) => ({
      ...credential(name, 'secret'),
      scramSha256: scramVerifier('SCRAM-SHA-256', 'secret'),
      scramSha512: scramVerifier('SCRAM-SHA-512', 'secret'),
    })),
  });
const auth = (reasonCode: number, authenticationMethod: string, authenticationData?: Buffer): Packet => ({
  cmd: 'auth',
  reasonCode,
  properties: { authenticationMethod, ...(authenticationData === undefined ? {} : { authenticationData }) },
});
const dataOf = (packet: Packet | undefined) =>
  (packet as { properties?: { authenticationData?: Buffer } }).properties!.authenticationData!;

/** CONNECT and the whole exchange; the last packets of the server. */
async function enter(world: RealWorld, scram: ScramClient, mechanism: string, early = true) {
  const client = world.dial(5);
  const properties = { authenticationMethod: mechanism, ...(early ? { authenticationData: scram.first() } : {}) };
  let [question] = await client.ask(world.connectPacket({ properties }));
  if (!early) [question] = await client.ask(auth(0x18, mechanism, scram.first()));
  if (question?.cmd !== 'auth') return { client, question, got: [question] };
  return { client, question, got: await client.ask(auth(0x18, mechanism, scram.final(dataOf(question)))) };
}

describe.each(MECHANISMS)('%s', (mechanism) => {
  it.each([true, false])(
    '[MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5] [MQTT-3.15.2-1] ' +
      'lets in who knows the password, and proves that the server does (data in CONNECT: %s)',
    async (early) => {
      const world = await start();
      const scram = new ScramClient(mechanism, 'ann', 'secret');
      const { client, question, got } = await enter(world, scram, mechanism, early);
      expect(question).toMatchObject({
        cmd: 'auth',
        reasonCode: 0x18,
        properties: { authenticationMethod: mechanism },
      });
      expect(got).toMatchObject([{ cmd: 'connack', reasonCode: 0, properties: { authenticationMethod: mechanism } }]);
      expect(dataOf(got[0]).toString()).toBe(scram.serverFinal());
      await client.ask(subscribe('a', 0));
      expect(told(await client.ask(publish('a', 'in')))).toEqual(['in']);
    },
  );

  it('[MQTT-4.12.0-4] refuses a wrong password and an unknown user alike, with the same question every time', async () => {
    const world = await start();
    for (const [name, password] of [
      ['ann', 'wrong'],
      ['nobody', 'secret'],
    ] as const) {
      const salts = new Set<string>();
      for (let i = 0; i < 2; i++) {
        const { client, question, got } = await enter(world, new ScramClient(mechanism, name, password), mechanism);
        expect(got).toMatchObject([{ cmd: 'connack', reasonCode: 0x86 }]);
        expect(client.closed).toBe('end');
        salts.add(/s=([^,]+)/.exec(dataOf(question).toString())![1]!);
      }
      expect(salts.size).toBe(1);
    }
  });

  it(
    '[MQTT-4.12.1-1] [MQTT-4.12.1-2] ' + 'proves again on the open connection; somebody else or a wrong proof ends it',
    async () => {
      const world = await start();
      for (const [name, password, end] of [
        ['ann', 'secret', null],
        ['ann', 'wrong', 0x87],
        ['o=n,e', 'secret', 0x87],
      ] as const) {
        const { client } = await enter(world, new ScramClient(mechanism, 'ann', 'secret'), mechanism);
        await client.ask(subscribe('a', 0));
        const scram = new ScramClient(mechanism, name, password);
        const [question, meanwhile] = await client.ask(auth(0x19, mechanism, scram.first()), publish('a', 'goes on'));
        expect(question).toMatchObject({ cmd: 'auth', reasonCode: 0x18 });
        expect(told([meanwhile!])).toEqual(['goes on']);
        const [last] = await client.ask(auth(0x18, mechanism, scram.final(dataOf(question))));
        if (end === null) {
          expect(last).toMatchObject({ cmd: 'auth', reasonCode: 0, properties: { authenticationMethod: mechanism } });
          expect(dataOf(last).toString()).toBe(scram.serverFinal());
        } else expect(last).toMatchObject({ cmd: 'disconnect', reasonCode: end });
        expect(client.closed).toBe(end === null ? null : 'end');
      }
    },
  );
});

describe('enhanced authentication', () => {
  const question = async (world: RealWorld) => {
    const client = world.dial(5);
    const scram = new ScramClient('SCRAM-SHA-256', 'ann', 'secret');
    const properties = { authenticationMethod: 'SCRAM-SHA-256', authenticationData: scram.first() };
    await client.ask(world.connectPacket({ properties }));
    return client;
  };
  it('takes names with commas and equals signs', async () => {
    const { got } = await enter(await start(), new ScramClient('SCRAM-SHA-256', 'o=n,e', 'secret'), 'SCRAM-SHA-256');
    expect(got).toMatchObject([{ cmd: 'connack', reasonCode: 0 }]);
  });
  it('[MQTT-4.12.0-1] refuses a method it does not know', async () => {
    const world = await start();
    const client = world.dial(5);
    const properties = { authenticationMethod: 'GS2-KRB5' };
    expect(await client.ask(world.connectPacket({ properties }))).toMatchObject([{ cmd: 'connack', reasonCode: 0x8c }]);
    expect(client.closed).toBe('end');
  });
  it('[MQTT-3.1.2-30] takes nothing but AUTH and DISCONNECT before CONNACK', async () => {
    const world = await start();
    for (const packet of [
      publish('a', 'x', 1),
      subscribe('a', 0),
      { cmd: 'pingreq' } as Packet,
      world.connectPacket(),
    ]) {
      const client = await question(world);
      expect(await client.ask(packet)).toMatchObject([{ cmd: 'connack', reasonCode: 0x82 }]);
      expect(client.closed).toBe('end');
    }
    const polite = await question(world);
    expect(await polite.ask({ cmd: 'disconnect', reasonCode: 0 })).toEqual([]);
    expect(polite.closed).toBe('end');
  });
  it(
    '[MQTT-3.15.1-1] [MQTT-3.15.2-1] ' + 'refuses AUTH with flags, other methods, other reasons and out of place',
    async () => {
      const world = await start();
      const wrong: [Packet | string, number][] = [
        ['f100', 0x81],
        [auth(0x18, 'SCRAM-SHA-512', Buffer.from('x')), 0x82],
        [auth(0x00, 'SCRAM-SHA-256', Buffer.from('x')), 0x82],
        [auth(0x19, 'SCRAM-SHA-256', Buffer.from('x')), 0x82],
        [auth(0x18, 'SCRAM-SHA-256'), 0x82],
        [auth(0x18, 'SCRAM-SHA-256', Buffer.from('no final message')), 0x87],
      ];
      for (const [packet, reasonCode] of wrong) {
        const client = await question(world);
        const got = typeof packet === 'string' ? await client.hex(packet) : await client.ask(packet);
        expect(got).toMatchObject([{ cmd: 'connack', reasonCode }]);
        expect(client.closed).toBe('end');
      }
      const { client } = await enter(world, new ScramClient('SCRAM-SHA-256', 'ann', 'secret'), 'SCRAM-SHA-256');
      expect(await client.ask(auth(0x18, 'SCRAM-SHA-256', Buffer.from('x')))).toMatchObject([
        { cmd: 'disconnect', reasonCode: 0x82 },
      ]);
    },
  );
  it('[MQTT-4.12.0-6] says nothing of methods to a client without one', async () => {
    const world = await start();
    const { connack } = await world.join({ username: 'ann', password: Buffer.from('secret') });
    expect(connack.properties).not.toHaveProperty('authenticationMethod');
  });
  it('has no longer for its whole exchange than for a CONNECT', async () => {
    const world = await start();
    const client = await question(world);
    await world.advance(11_000);
    expect(client.take()).toMatchObject([{ cmd: 'connack', reasonCode: 0x80 }]);
    expect(client.closed).toBe('end');
  });
});

describe('a SCRAM exchange', () => {
  it('follows the example of RFC 7677 §3', () => {
    const exchange = new ScramExchange('SCRAM-SHA-256');
    expect(exchange.first(Buffer.from('n,,n=user,r=rOprNGfwEbeRWgbNEkqO'))).toBe(true);
    expect(exchange.username).toBe('user');
    const salt = 'W22ZaJ0SNY7soEsUEjb6gQ==';
    const secrets = scramVerifier('SCRAM-SHA-256', 'pencil', Buffer.from(salt, 'base64') as unknown as string, 4096);
    const nonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
    const random = { toString: () => nonce } as Buffer;
    expect(exchange.serverFirst({ ...secrets, salt }, () => random).toString()).toBe(
      `r=rOprNGfwEbeRWgbNEkqO${nonce},s=${salt},i=4096`,
    );
    const proof = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
    const final = exchange.final(Buffer.from(`c=biws,r=rOprNGfwEbeRWgbNEkqO${nonce},p=${proof}`))!;
    expect(final.clientProof.toString('base64')).toBe(proof);
    expect(final.serverFinal.toString()).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
    expect(createHash('sha256').update(final.authMessage).digest()).toHaveLength(32);
  });
  it('answers any other bytes with no', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.string(), (bytes, text) => {
        for (const message of [
          Buffer.from(bytes),
          Buffer.from(`n,,n=${text},r=`),
          Buffer.from(`p=tls-unique,,n=a,r=${text}`),
        ]) {
          const exchange = new ScramExchange('SCRAM-SHA-256');
          expect(exchange.first(message) && !message.toString().startsWith('n,,n=')).toBe(false);
          expect(exchange.final(message)).toBeNull();
        }
      }),
    );
  });
  it.each(['y,,n=a,r=x', 'n,a=a,n=a,r=x', 'n,,n=a,r=x,ext=1'])('takes %s', (message) => {
    expect(new ScramExchange('SCRAM-SHA-256').first(Buffer.from(message))).toBe(true);
  });
  it.each(['p=tls-unique,,n=a,r=x', 'n,a=b,n=a,r=x', 'n,,n=a=b,r=x', 'n,,m=ext,n=a,r=x', 'n,,n=a,r='])(
    'refuses %s',
    (message) => {
      expect(new ScramExchange('SCRAM-SHA-256').first(Buffer.from(message))).toBe(false);
    },
  );
});

describe('a token as the password', () => {
  const key = Buffer.from('a key of thirty-two bytes, or so!');
  const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = (claims: object, by = key): Buffer => {
    const signed = `${base64({ alg: 'HS256', typ: 'JWT' })}.${base64(claims)}`;
    return Buffer.from(`${signed}.${createHmac('sha256', by).update(signed).digest('base64url')}`);
  };
  const jwt = {
    algorithms: ['HS256' as const],
    keys: [{ kty: 'oct', k: key.toString('base64url') }],
    principalClaim: 'sub',
  };
  it.each([4, 5] as const)('level %s: lets in whom the issuer vouches for, as long as it does', async (version) => {
    const world = await RealWorld.start({
      ...(await settingsWith({ authentication: { anonymous: false, jwt } })),
      allowAnonymous: false,
    });
    const nowSeconds = Math.floor(world.runtime.nowMs() / 1000);
    const ask = (password: Buffer) =>
      world.dial(version).ask(world.connectPacket({ version, username: 'any', password }));
    const refused = version === 5 ? { reasonCode: 0x86 } : { returnCode: 4 };
    expect(await ask(token({ sub: 'ann', exp: nowSeconds - 10 }))).toMatchObject([refused]);
    expect(await ask(token({ sub: 'ann', exp: nowSeconds + 60 }, Buffer.from('another key')))).toMatchObject([refused]);
    expect(await ask(Buffer.from('no token'))).toMatchObject([refused]);
    const password = token({ sub: 'ann', exp: nowSeconds + 60 });
    const client = await world.join({ version, username: 'any', password });
    await client.ask(subscribe('a', 0));
    expect(told(await client.ask(publish('a', 'in')))).toEqual(['in']);
    await world.advance(120_000);
    expect(client.closed).toBe('end');
    expect(client.take()).toMatchObject(version === 5 ? [{ cmd: 'disconnect', reasonCode: 0x87 }] : []);
  });
});
