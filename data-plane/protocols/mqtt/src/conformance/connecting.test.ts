import { credential } from '@robustmq/broker/testing';
import { describe, expect, it } from 'vitest';
import { lasting, publish, RealWorld, subscribe, told } from '../testing/real-world.ts';

/** CONNECT by hand: level, flags, properties (level 5) and payload. */
function connect(level: 4 | 5, flags: string, payload: string, properties = '00'): string {
  const body = `0004 4d515454 0${level} ${flags} 0000 ${level === 5 ? properties : ''} ${payload}`.replaceAll(' ', '');
  return `10 ${(body.length / 2).toString(16).padStart(2, '0')} ${body}`;
}
const VERSIONS = [4, 5] as const;
const login = { credentials: [credential('ann', 'secret')], allowAnonymous: false };

describe.each(VERSIONS)('CONNECT of level %s', (version) => {
  const connack = (code: number) => (version === 5 ? { reasonCode: code } : { returnCode: code });

  it(
    '[MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.2-1] [MQTT3-3.1.4-4] [MQTT3-3.2.0-1] ' +
      'is answered by CONNACK 0 first of all',
    async () => {
      const world = await RealWorld.start();
      const client = world.dial(version);
      const connecting = world.connectPacket({ version });
      const got = await client.ask(connecting, subscribe('a', 1), publish('a', 'x', 1), { cmd: 'pingreq' });
      expect(got[0]).toMatchObject({ cmd: 'connack', sessionPresent: false, ...connack(0) });
      expect(told(got.slice(1)).sort()).toEqual(['pingresp', 'puback', 'suback', 'x']);
    },
  );

  it('[MQTT-3.2.0-2] [MQTT-3.1.0-2] [MQTT3-3.1.0-2] a second CONNECT gets no second CONNACK but the end', async () => {
    const world = await RealWorld.start();
    const client = await world.join({ version });
    const got = await client.ask(world.connectPacket({ version }));
    expect(got).toMatchObject(version === 5 ? [{ cmd: 'disconnect', reasonCode: 0x82 }] : []);
    expect(client.closed).toBe('end');
  });

  it(
    '[MQTT-3.1.2-17] [MQTT-3.1.2-19] [MQTT-3.1.3-12] [MQTT3-3.1.2-19] [MQTT3-3.1.2-21] ' +
      '[MQTT3-3.1.3-11] user name and password are taken where their flags say',
    async () => {
      const world = await RealWorld.start(login);
      const entries = {
        ok: '0001 61 0003 616e6e 0006 736563726574',
        none: '0001 61',
        wrong: '0001 61 0003 616e6e 0001 78',
      };
      const answer = async (flags: string, payload: string) => {
        const client = world.dial(version);
        return (await client.hex(connect(version, flags, payload)))[0];
      };
      expect(await answer('c2', entries.ok)).toMatchObject(connack(0));
      expect(await answer('c2', entries.wrong)).toMatchObject(connack(version === 5 ? 0x86 : 4));
      expect(await answer('02', entries.none)).toMatchObject(connack(version === 5 ? 0x86 : 4));
      // the fields are promised and missing
      expect(await answer('c2', entries.none)).toEqual(
        version === 5 ? expect.objectContaining(connack(0x81)) : undefined,
      );
    },
  );

  it(
    '[MQTT-3.1.2-16] [MQTT-3.1.2-18] [MQTT3-3.1.2-18] [MQTT3-3.1.2-20] ' +
      'fields without their flags are bytes after the end',
    async () => {
      const world = await RealWorld.start();
      for (const [flags, payload] of [
        ['02', '0001 61 0003 616e6e'],
        ['82', '0001 61 0003 616e6e 0001 78'],
      ] as const) {
        const client = world.dial(version);
        expect(await client.hex(connect(version, flags, payload))).toMatchObject(version === 5 ? [connack(0x81)] : []);
        expect(client.closed).toBe('end');
      }
    },
  );

  it('[MQTT-3.1.2-9] [MQTT3-3.1.2-9] [MQTT3-3.1.2-11] will fields are there with the flag and only then', async () => {
    const world = await RealWorld.start();
    const [promised, unasked] = [world.dial(version), world.dial(version)];
    const properties = version === 5 ? '00' : '';
    await promised.hex(connect(version, '06', '0001 61'));
    expect(promised.closed).toBe('end');
    await unasked.hex(connect(version, '02', `0001 61 ${properties} 0001 77 0001 78`));
    expect(unasked.closed).toBe('end');
  });

  it(
    '[MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT3-3.1.3-1] [MQTT3-3.1.3-3] [MQTT-3.1.3-11] [MQTT3-3.1.3-10] ' +
      'the payload is read in its order',
    async () => {
      const world = await RealWorld.start(login);
      const watcher = await world.join({ username: 'ann', password: Buffer.from('secret') });
      await watcher.ask(subscribe('w', 0));
      const will = `${version === 5 ? '00' : ''} 0001 77 0003 627965`;
      const client = world.dial(version);
      const got = await client.hex(connect(version, 'c6', `0001 61 ${will} 0003 616e6e 0006 736563726574`));
      expect(got).toMatchObject([connack(0)]);
      client.cut();
      await world.settle();
      expect(told(watcher.take())).toEqual(['bye']);
      const bad = world.dial(version);
      const badWill = `${version === 5 ? '00' : ''} 0001 ff 0000`;
      await bad.hex(connect(version, 'c6', `0001 61 ${badWill} 0003 616e6e 0006 736563726574`));
      expect(bad.closed).toBe('end');
    },
  );

  it(
    '[MQTT-3.1.3-4] [MQTT-3.1.3-12] [MQTT3-3.1.3-4] [MQTT3-1.5.3-1] [MQTT3-1.5.3-2] ' +
      'strings of CONNECT are strict UTF-8',
    async () => {
      const world = await RealWorld.start();
      for (const [flags, payload] of [
        ['02', '0001 ff'],
        ['02', '0001 00'],
        ['02', '0003 eda080'],
        ['82', '0001 61 0001 ff'],
        ['82', '0001 61 0001 00'],
      ] as const) {
        const client = world.dial(version);
        await client.hex(connect(version, flags, payload));
        expect(client.closed).toBe('end');
      }
    },
  );

  it(
    '[MQTT-1.5.4-3] [MQTT3-1.5.3-3] [MQTT-4.7.3-4] [MQTT3-4.7.3-4] ' +
      'U+FEFF and everything else stays as it was sent; names match byte by byte',
    async () => {
      const world = await RealWorld.start();
      const client = await world.join({ version });
      await client.ask(subscribe('\ufeffa/#', 0));
      const topics = ['\ufeffa/b', 'a/b', '\ufeffA/b', '\ufeffa/b '];
      const got = await client.ask(...topics.map((topic) => publish(topic, topic)));
      expect(told(got)).toEqual(['\ufeffa/b', '\ufeffa/b ']);
      const composed = await world.join({ version });
      await composed.ask(subscribe('\u00e9', 0));
      expect(told(await composed.ask(publish('e\u0301', 'decomposed'), publish('\u00e9', 'same')))).toEqual(['same']);
    },
  );

  it(
    '[MQTT-3.1.3-5] [MQTT3-3.1.3-5] ' + 'client ids of 1 to 23 letters and digits, and longer ones, are allowed',
    async () => {
      const world = await RealWorld.start();
      for (const clientId of [
        '0',
        'abcdefghijklmnopqrstuvw',
        'ABCDEFGHIJKLMNOPQRSTUVW',
        '0123456789xyzXYZ',
        'x'.repeat(200),
      ]) {
        expect((await world.join({ version, clientId })).closed).toBeNull();
      }
    },
  );

  it(
    '[MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16] [MQTT3-3.1.3-6] [MQTT3-3.1.3-7] ' +
      'empty client ids get different new ones',
    async () => {
      const world = await RealWorld.start();
      const clients = [await world.join({ version, clientId: '' }), await world.join({ version, clientId: '' })];
      expect(clients.map(({ closed }) => closed)).toEqual([null, null]); // none took the other over
      if (version === 5) {
        const assigned = clients.map(({ connack: { properties } }) => properties?.assignedClientIdentifier);
        expect(new Set(assigned).size).toBe(2);
      }
    },
  );

  it(
    '[MQTT-3.1.4-1] [MQTT-3.1.4-2] [MQTT-3.1.4-6] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-4.13.2-1] ' +
      '[MQTT3-3.1.4-5] [MQTT3-3.2.2-4] [MQTT3-3.2.2-5] after a refusal nothing counts',
    async () => {
      const world = await RealWorld.start(login);
      const watcher = await world.join({ username: 'ann', password: Buffer.from('secret') });
      await watcher.ask(subscribe('#', 0));
      await world.join({ ...lasting(version, 'known'), username: 'ann', password: Buffer.from('secret') });
      const client = world.dial(version);
      const bad = world.connectPacket({ ...lasting(version, 'known'), username: 'ann', password: Buffer.from('no') });
      const got = await client.ask(bad, publish('a', 'never'));
      expect(got).toMatchObject([{ cmd: 'connack', sessionPresent: false, ...connack(version === 5 ? 0x86 : 4) }]);
      expect(client.closed).toBe('end');
      await client.ask(publish('a', 'never'));
      expect(watcher.take()).toEqual([]);
    },
  );

  it(
    '[MQTT-3.1.4-3] [MQTT3-3.1.4-2] [MQTT-3.1.3-2] [MQTT3-3.1.3-2] ' +
      'a second connection with the client id ends the first',
    async () => {
      const world = await RealWorld.start();
      const first = await world.join({ version, clientId: 'same' });
      await world.join({ version, clientId: 'Same' });
      expect(first.closed).toBeNull();
      await world.join({ version, clientId: 'same' });
      expect(first.take()).toMatchObject(version === 5 ? [{ cmd: 'disconnect', reasonCode: 0x8e }] : []);
      expect(first.closed).toBe('end');
    },
  );

  it('[MQTT-3.12.4-1] [MQTT3-3.12.4-1] PINGREQ is answered by PINGRESP', async () => {
    const client = await (await RealWorld.start()).join({ version });
    expect(told(await client.ask({ cmd: 'pingreq' }))).toEqual(['pingresp']);
  });

  it(
    '[MQTT-3.2.2-22] [MQTT-3.1.2-22] [MQTT3-3.1.2-24] [MQTT-3.1.2-8] ' +
      'silence for 1.5 keep-alives ends the connection, and its will is published',
    async () => {
      const world = await RealWorld.start();
      const watcher = await world.join();
      await watcher.ask(subscribe('w', 0));
      const will = { topic: 'w', payload: Buffer.from('silent'), qos: 0 as const, retain: false };
      const client = await world.join({ version, keepalive: 10, will });
      await world.advance(14_000);
      expect(client.closed).toBeNull();
      await world.advance(3_000);
      expect(client.closed).toBe('end');
      expect(told(watcher.take())).toEqual(['silent']);
    },
  );

  it(
    '[MQTT-4.2.0-1] [MQTT3-4.2.0-1] [MQTT3-7.1.1-1] [MQTT3-7.0.0-2] ' + 'bytes in order are all it needs, cut anywhere',
    async () => {
      const world = await RealWorld.start();
      const client = world.dial(version);
      const all = client.encode(world.connectPacket({ version }), subscribe('a', 1), publish('a', 'x', 1));
      for (const byte of all) client.bytes(Buffer.of(byte));
      await world.settle();
      expect(told(client.take()).sort()).toEqual(['connack', 'puback', 'suback', 'x']);
    },
  );
});

describe('CONNECT of one version', () => {
  it('[MQTT3-3.1.2-1] [MQTT-3.1.2-1] another protocol name ends the connection', async () => {
    const client = (await RealWorld.start()).dial(4);
    expect(await client.hex('100c 0003 4d5158 04 02 0000 0001 61')).toEqual([]);
    expect(client.closed).toBe('end');
  });
  it('[MQTT3-3.1.2-2] [MQTT-3.1.2-2] an unknown level gets CONNACK 1', async () => {
    const client = (await RealWorld.start()).dial(4);
    expect(await client.hex('100d 0004 4d515454 07 02 0000 0001 61')).toMatchObject([{ returnCode: 1 }]);
    expect(client.closed).toBe('end');
  });
  it('MQTT 3.1 connects, publishes and subscribes; session present is never told', async () => {
    const world = await RealWorld.start();
    await world.join(lasting(3, 'old'));
    const client = await world.join(lasting(3, 'old'));
    expect(client.connack.sessionPresent).toBe(false);
    await client.ask(subscribe('a', 2));
    expect(told(await client.ask(publish('a', 'x', 1))).sort()).toEqual(['puback', 'x']);
  });
  it(
    '[MQTT-2.2.2-1] [MQTT-3.2.2-8] ' +
      'CONNACK without anything to tell has a property length, and refusals their own codes',
    async () => {
      const world = await RealWorld.start(login, { clientIdBytesMax: 10 });
      const codes: (number | undefined)[] = [];
      for (const options of [{ username: 'ann', password: Buffer.from('x') }, { clientId: 'x'.repeat(11) }]) {
        const [packet] = await world.dial(5).ask(world.connectPacket(options));
        codes.push((packet as { reasonCode?: number }).reasonCode);
      }
      expect(codes).toEqual([0x86, 0x85]);
    },
  );
  it('[MQTT3-3.1.3-8] [MQTT3-3.1.3-9] refused client ids get CONNACK 2', async () => {
    const world = await RealWorld.start({}, { clientIdBytesMax: 10 });
    for (const change of [{ clientId: '' }, { clientId: 'x'.repeat(11) }]) {
      const client = world.dial(4);
      const packet = '100c 0004 4d515454 04 00 0000 0000';
      const got =
        change.clientId === ''
          ? await client.hex(packet)
          : await client.ask(world.connectPacket({ version: 4, ...change }));
      expect(got).toMatchObject([{ cmd: 'connack', returnCode: 2 }]);
      expect(client.closed).toBe('end');
    }
  });
  it(
    '[MQTT3-3.1.4-1] [MQTT3-3.2.2-6] [MQTT3-4.8.0-1] [MQTT-3.14.0-1] [MQTT-4.13.1-1] ' +
      'a malformed CONNECT of 3.1.1 is closed without a word, of 5.0 by CONNACK and no DISCONNECT',
    async () => {
      const world = await RealWorld.start();
      const [v4, v5] = [world.dial(4), world.dial(5)];
      expect(await v4.hex(connect(4, '03', '0001 61'))).toEqual([]);
      expect(await v5.hex(connect(5, '03', '0001 61'))).toMatchObject([{ cmd: 'connack', reasonCode: 0x81 }]);
      expect([v4.closed, v5.closed]).toEqual(['end', 'end']);
    },
  );
  it('[MQTT-1.5.7-1] both halves of a user property are strings', async () => {
    const world = await RealWorld.start();
    for (const pair of ['0001 ff 0001 61', '0001 61 0001 00']) {
      const client = world.dial(5);
      const got = await client.hex(connect(5, '02', '0001 61', `07 26 ${pair}`));
      expect(got).toMatchObject([{ cmd: 'connack', reasonCode: 0x81 }]);
    }
  });
});
