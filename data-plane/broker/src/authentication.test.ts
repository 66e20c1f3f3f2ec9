import { execFileSync } from 'node:child_process';
import { createHash, createHmac, generateKeyPairSync, pbkdf2Sync } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSigner } from 'fast-jwt';
import { describe, expect, it } from 'vitest';
import type { Admission, AdmitRequest, Connection, ConnectionInfo, Refusal } from './broker-types.ts';
import { DEFAULT_SETTINGS, type NamespaceSettings } from './index.ts';
import {
  admitRequest,
  config,
  credential,
  runOf,
  settled,
  subscribeOptions,
  takeAll,
  TestNode,
  TestSubscriber,
} from './testing/test-node.ts';

const NOW_S = 1_700_000_000;
const settings = (change: Partial<NamespaceSettings>): NamespaceSettings => ({ ...DEFAULT_SETTINGS, ...change });

async function nodeWith(change: Partial<NamespaceSettings>, credentials = [credential('ann', 'pw')]) {
  const node = await TestNode.start();
  const apply = (next: Partial<NamespaceSettings>, more = {}) =>
    node.broker.applyNamespace(config({ allowAnonymous: false, credentials, settings: settings(next), ...more }));
  await apply(change);
  const admit = (request: Partial<AdmitRequest>): Admission | Refusal => node.broker.admit(admitRequest(request));
  const connect = (admission: Admission | Refusal, info: Partial<ConnectionInfo> = {}) => {
    if ('refused' in admission) throw new Error(admission.refused);
    const reasons: string[] = [];
    const connection = admission.namespace.connect({
      protocol: 'mqtt',
      principal: admission.principal,
      clientId: 'c',
      remoteAddress: '127.0.0.1',
      admission,
      disconnect: (reason) => void reasons.push(reason),
      ...info,
    });
    return { connection, reasons };
  };
  return { node, apply, admit, connect };
}
const open = ({ connection, reasons }: { connection: Connection | Refusal; reasons: string[] }) => {
  if ('refused' in connection) throw new Error(connection.refused);
  return { connection, reasons };
};
const principalOf = (outcome: Admission | Refusal): string =>
  'refused' in outcome ? `!${outcome.refused}` : `${outcome.method} ${outcome.principal}`;

describe('SCRAM', () => {
  const salt = Buffer.from('0123456789abcdef');
  const salted = pbkdf2Sync('pw', salt, 4096, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest();
  const serverKey = createHmac('sha256', salted).update('Server Key').digest();
  const scramSha256 = {
    salt: salt.toString('base64'),
    iterations: 4096,
    storedKey: storedKey.toString('base64'),
    serverKey: serverKey.toString('base64'),
  };
  const authMessage = 'n=ann,r=a,r=ab,s=x,i=4096,c=biws,r=ab';
  const signature = createHmac('sha256', storedKey).update(authMessage).digest();
  const clientProof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!));

  it('takes the right proof, and tells nobody who exists', async () => {
    const { node, admit } = await nodeWith({}, [{ ...credential('ann', 'pw'), scramSha256 }]);
    const proof = { kind: 'scram', mechanism: 'SCRAM-SHA-256', authMessage, clientProof } as const;
    expect(principalOf(admit({ username: 'ann@name', proof }))).toBe('scram ann');
    expect(principalOf(admit({ username: 'bob', proof }))).toBe('!bad-credentials');
    const wrong = { ...proof, clientProof: Buffer.alloc(32) };
    expect(principalOf(admit({ username: 'ann', proof: wrong }))).toBe('!bad-credentials');
    const verifier = (username: string) =>
      node.broker.scramVerifier(admitRequest({ username, protocol: 'kafka' }), 'SCRAM-SHA-256');
    expect(verifier('ann')).toEqual(scramSha256);
    expect(verifier('bob')).toEqual(verifier('bob'));
    expect(verifier('bob')).toMatchObject({ iterations: 4096 });
    expect(verifier('bob').salt).toHaveLength(verifier('ann').salt.length);
    expect(verifier('x@nowhere').salt).toHaveLength(24);
    const again = await TestNode.start(node.store);
    expect(again.broker.scramVerifier(admitRequest({ username: 'bob' }), 'SCRAM-SHA-256')).toEqual(verifier('bob'));
  });
});

describe('JWT', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  const secret = Buffer.from('a secret of thirty-two bytes, ok');
  const jwt = {
    issuer: 'https://issuer',
    audience: 'robustmq',
    algorithms: ['HS256', 'RS256', 'ES256', 'EdDSA'] as const,
    keys: [
      { kty: 'oct', k: secret.toString('base64url') },
      { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'rsa' },
      { ...ec.publicKey.export({ format: 'jwk' }), kid: 'ec' },
      { ...ed.publicKey.export({ format: 'jwk' }), kid: 'ed', use: 'sig' },
      { kty: 'RSA', n: 'broken' },
    ],
    principalClaim: 'device',
  };
  const pem = (key: { export(options: { type: 'pkcs8'; format: 'pem' }): string | Buffer }) =>
    key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const claims = { iss: 'https://issuer', aud: ['x', 'robustmq'], device: 'd1', exp: NOW_S + 60 };
  const signed = (algorithm: 'HS256' | 'RS256' | 'ES256' | 'EdDSA', key: string | Buffer, payload: object = claims) =>
    createSigner({ algorithm, key, noTimestamp: true })(payload as Record<string, unknown>);
  const authentication = { anonymous: false, jwt };

  it('HS, RS, ES and EdDSA; as proof and as password', async () => {
    const { admit } = await nodeWith({ authentication });
    const tokens = [
      signed('HS256', secret),
      signed('RS256', pem(rsa.privateKey)),
      signed('ES256', pem(ec.privateKey)),
      signed('EdDSA', pem(ed.privateKey)),
    ];
    for (const token of tokens) {
      expect(principalOf(admit({ proof: { kind: 'jwt', token } }))).toBe('jwt d1');
      expect(principalOf(admit({ username: 'any', password: Buffer.from(token) }))).toBe('jwt d1');
    }
    // a credential's own name is its own password's
    expect(principalOf(admit({ username: 'ann', password: Buffer.from(tokens[0]!) }))).toBe('!bad-credentials');
  });

  it('a claim with rules: what it allows beyond the cluster, what it denies, and what the cluster denies anyway', async () => {
    const rule = { principal: '*', resource: 'topic', patternType: 'filter' } as const;
    const rules = [{ ...rule, id: 'no', effect: 'deny', pattern: 'vault/#', actions: ['all'] }] as const;
    const { node, admit, connect } = await nodeWith({ authentication, acl: { whenNoRuleMatches: 'deny', rules } });
    const bearer = (acl: unknown, more = {}) =>
      admit({ proof: { kind: 'jwt', token: signed('HS256', secret, { ...claims, acl, ...more }) } });
    const acl = [
      { permission: 'deny', action: 'publish', topic: 'a/secret' },
      { permission: 'allow', action: 'all', topic: 'a/#' },
      { permission: 'allow', action: 'subscribe', topic: 'of/${clientid}/${username}' },
      { permission: 'allow', action: 'subscribe', topic: 'eq x/+' },
      { permission: 'allow', action: 'publish', topic: 'vault/1' },
    ];
    const { connection } = open(connect(bearer(acl)));
    const may = (action: 'read' | 'write', name: string, one = connection) => one.allows(action, 'topic', name);
    expect(['a/1', 'a/b/c', 'a/secret', 'b', 'vault/1'].map((name) => may('write', name))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(['a/#', '#', 'of/c/d1', 'of/c/d2', 'x/+', 'x/1', 'vault/1'].map((name) => may('read', name))).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
      false,
    ]);
    expect(connection.allows('describe', 'topic', 'a/1')).toBe(true);
    expect(connection.allows('read', 'group', 'g')).toBe(false);
    const widening = open(
      connect(bearer([{ permission: 'allow', action: 'all', topic: '${clientid}' }]), {
        clientId: 'a/#',
      }),
    );
    expect(may('read', 'a/1', widening.connection)).toBe(false);
    const kafka = open(connect(bearer({ pub: ['k/t'], all: ['k.u'] }), { protocol: 'kafka' })).connection;
    expect(['k.t', 'k.u'].map((name) => [may('write', name, kafka), may('read', name, kafka)])).toEqual([
      [true, false],
      [true, true],
    ]);
    // who brings no rules has the cluster's
    expect(
      may('write', 'a/1', open(connect(admit({ proof: { kind: 'jwt', token: signed('HS256', secret) } }))).connection),
    ).toBe(false);
    for (const bad of [
      'text',
      null,
      7,
      [{}],
      [{ permission: 'allow', action: 'all' }],
      [{ permission: 'maybe', action: 'all', topic: 'a' }],
      [{ permission: 'allow', action: 'all', topic: 'a', qos: 1 }],
      { pub: 'a' },
      { other: ['a'] },
      { sub: [1] },
      Array.from({ length: 101 }, () => acl[1]),
      [{ ...acl[1], topic: 'x'.repeat(1025) }],
    ]) {
      expect(principalOf(bearer(bad))).toBe('!bad-credentials');
    }
    expect(node.namespace().settings.authentication.jwt?.aclClaim).toBeUndefined();
  });

  it('rules of a token hold for what is delivered, live and owed, in a cluster that refuses nobody anything; they end with it', async () => {
    const { node, admit, connect, apply } = await nodeWith({
      authentication: { ...authentication, jwt: { ...jwt, aclClaim: 'may' } },
    });
    const may = [
      { permission: 'deny', action: 'subscribe', topic: 'a/secret' },
      { permission: 'allow', action: 'all', topic: '#' },
    ];
    const token = signed('HS256', secret, { ...claims, may });
    const begin = () => {
      const { connection, reasons } = open(connect(admit({ proof: { kind: 'jwt', token } })));
      const subscriber = new TestSubscriber();
      const opened = node.namespace().openSession({
        ...{ connection, clientId: 'c', cleanStart: false, expirySeconds: 3600, receiver: subscriber, will: null },
      });
      if ('refused' in opened) throw new Error(opened.message);
      return { session: opened.session, subscriber, reasons, connection };
    };
    const first = begin();
    const outcome = first.session.subscribe('a/#', subscribeOptions);
    await (outcome.refusal === null ? outcome.commit!.promise() : null);
    const publish = async (qos: 0 | 1, text: string) => {
      for (const topic of ['a/secret', 'a/open'])
        node.namespace().publish(runOf(topic, [`${topic} ${text}`], qos), node.connect('p'));
      await settled(node);
    };
    await publish(0, 'live');
    expect(first.subscriber.payloads).toEqual(['a/open live']);
    first.session.detach(false);
    first.connection.close();
    await publish(1, 'owed');
    const second = begin();
    expect((await takeAll(second.session)).map(({ message }) => message!.payload.toString())).toEqual(['a/open owed']);
    node.runtime.advance(66_000);
    node.broker.sweep();
    expect(second.reasons).toEqual(['credential-revoked']);
    await apply({});
  });

  it('refuses wrong times, issuers, audiences, keys, algorithms and shapes', async () => {
    const { admit } = await nodeWith({ authentication });
    const rsaPublic = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const [head, body] = signed('HS256', secret).split('.');
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`;
    const bad = [
      signed('HS256', secret, { ...claims, exp: NOW_S - 60 }),
      signed('HS256', secret, { ...claims, nbf: NOW_S + 60 }),
      signed('HS256', secret, { ...claims, iss: 'else' }),
      signed('HS256', secret, { ...claims, aud: 'else' }),
      signed('HS256', secret, { ...claims, device: 7 }),
      signed('HS256', Buffer.from('another secret of thirty-2 bytes')),
      // the public key as an HMAC secret
      `${head}.${body}.${createHmac('sha256', rsaPublic).update(`${head}.${body}`).digest('base64url')}`,
      none,
      'a.b.c',
      'nothing',
      'x'.repeat(20_000),
    ];
    for (const token of bad) expect(principalOf(admit({ proof: { kind: 'jwt', token } }))).toBe('!bad-credentials');
  });

  it('goes when it runs out, and at once when the keys change', async () => {
    const { node, apply, admit, connect } = await nodeWith({ authentication });
    const token = signed('HS256', secret);
    const first = connect(admit({ proof: { kind: 'jwt', token } }));
    const password = connect(admit({ username: 'ann', password: Buffer.from('pw') }));
    node.runtime.advance(66_000);
    node.broker.sweep();
    expect(first.reasons).toEqual(['credential-revoked']);
    const fresh = signed('HS256', secret, { ...claims, exp: NOW_S + 600 });
    const second = connect(admit({ proof: { kind: 'jwt', token: fresh } }));
    await apply({ authentication: { anonymous: false, jwt: { ...jwt, keys: [] } } });
    expect(second.reasons).toEqual(['credential-revoked']);
    expect(password.reasons).toEqual([]);
    expect(principalOf(admit({ proof: { kind: 'jwt', token: fresh } }))).toBe('!bad-credentials');
  });
});

describe('X.509', () => {
  it('takes certificates below an authority that are in time and not revoked', { timeout: 60_000 }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'x509-'));
    const at = (name: string): string => join(directory, name);
    const openssl = (...args: string[]): void =>
      void execFileSync('openssl', args, { stdio: 'ignore', cwd: directory });
    const authority = (name: string): void =>
      openssl(
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '36500',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.pem`,
        '-subj',
        `/CN=${name}`,
      );
    authority('ca');
    authority('other');
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'd.key',
      '-out',
      'd.csr',
      '-subj',
      '/O=x/CN=dev-1',
    );
    writeFileSync(at('d.ext'), 'subjectAltName=DNS:dev-1.example\n');
    openssl(
      'x509',
      '-req',
      '-in',
      'd.csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-set_serial',
      '0x0abc',
      '-days',
      '36500',
      '-out',
      'd.pem',
      '-extfile',
      'd.ext',
    );
    openssl('x509', '-in', 'd.pem', '-outform', 'DER', '-out', 'd.der');
    const certificate = readFileSync(at('d.der'));
    const pem = (name: string): string => readFileSync(at(name), 'utf8');
    const x509 = {
      authoritiesPem: pem('ca.pem'),
      principalFrom: 'common-name' as const,
      revokedSerials: [] as string[],
    };
    const { node, apply, admit, connect } = await nodeWith({ authentication: { anonymous: false, x509 } });
    const proof = { kind: 'x509', certificate } as const;
    // issued today, by the machine's clock; the test's clock stands earlier
    expect(principalOf(admit({ proof }))).toBe('!bad-credentials');
    node.runtime.advance(Date.now() + 60_000 - node.runtime.nowMs());
    expect(principalOf(admit({ proof }))).toBe('x509 dev-1');
    const { reasons } = connect(admit({ proof }));
    await apply({ authentication: { anonymous: false, x509: { ...x509, principalFrom: 'dns-name' } } });
    expect(principalOf(admit({ proof }))).toBe('x509 dev-1.example');
    expect(reasons).toEqual(['credential-revoked']);
    await apply({ authentication: { anonymous: false, x509: { ...x509, revokedSerials: ['0A:BC'] } } });
    expect(principalOf(admit({ proof }))).toBe('!bad-credentials');
    await apply({ authentication: { anonymous: false, x509: { ...x509, authoritiesPem: pem('other.pem') } } });
    expect(principalOf(admit({ proof }))).toBe('!bad-credentials');
    expect(principalOf(admit({ proof: { kind: 'x509', certificate: Buffer.from('junk') } }))).toBe('!bad-credentials');
  });
});

describe('who is kept out', () => {
  const listed = (
    kind: 'client-id' | 'user' | 'address' | 'client-id-prefix',
    value: string,
    until: string | null,
  ) => ({
    blacklist: [{ id: 'b', kind, value, reason: 'no', until }],
  });
  const ann = { username: 'ann', password: Buffer.from('pw') };

  it('the blacklist cuts who is in, and runs out', async () => {
    const { node, apply, admit, connect } = await nodeWith({});
    for (const change of [
      listed('client-id', 'c', null),
      listed('client-id-prefix', 'c', null),
      listed('user', 'ann', null),
      listed('address', '127.0.0.0/8', null),
    ]) {
      await apply({}, { generation: 2 });
      const { reasons } = connect(admit(ann));
      await apply(change);
      expect(reasons).toEqual(['banned']);
      const outcome = admit({ ...ann, clientId: 'c' });
      expect(principalOf(outcome)).toBe('!banned');
    }
    const until = new Date(node.runtime.nowMs() + 5_000).toISOString();
    await apply(listed('address', '127.0.0.1', until));
    expect(principalOf(admit(ann))).toBe('!banned');
    node.runtime.advance(5_001);
    expect(principalOf(admit(ann))).toBe('password ann');
    expect(node.broker.clientEvents('ns').filter(({ code }) => code === 'banned').length).toBe(5);
  });

  it('a list of allowed addresses keeps out everybody else, also who is in already, before any password is looked at', async () => {
    const { apply, admit, connect } = await nodeWith({});
    const { reasons } = connect(admit(ann));
    await apply({ network: { allowedAddresses: ['192.0.2.0/24', '2001:db8::/32'] } });
    expect(reasons).toEqual(['banned']);
    expect(principalOf(admit(ann))).toBe('!banned');
    expect(principalOf(admit({ ...ann, password: Buffer.from('wrong') }))).toBe('!banned');
    for (const remoteAddress of ['192.0.2.7', '::ffff:192.0.2.7', '2001:db8::1'])
      expect(principalOf(admit({ ...ann, remoteAddress }))).toBe('password ann');
    expect(principalOf(admit({ ...ann, remoteAddress: '192.0.3.7' }))).toBe('!banned');
    await apply({ network: { allowedAddresses: ['no address'] } });
    expect(principalOf(admit(ann))).toBe('!banned');
    await apply({ network: { allowedAddresses: [] } });
    expect(principalOf(admit(ann))).toBe('password ann');
  });

  it('flapping clients and wrong passwords are banned for a while, over a restart too', async () => {
    const flapping = { enabled: true, connectsMax: 3, windowSeconds: 10, banSeconds: 100 };
    const { node, admit, connect } = await nodeWith({ mqtt: { ...DEFAULT_SETTINGS.mqtt, flapping } });
    const connected = (): boolean => !('refused' in connect(admit(ann)).connection);
    expect([connected(), connected(), connected(), connected()]).toEqual([true, true, true, false]);
    expect(principalOf(admit({ ...ann, clientId: 'c' }))).toBe('!banned');
    for (let i = 0; i < 20; i++) admit({ username: 'ann', password: Buffer.from('wrong') });
    expect(principalOf(admit(ann))).toBe('!banned');
    expect(principalOf(admit({ ...ann, remoteAddress: '10.0.0.1' }))).toBe('password ann');
    const codes = node.broker.clientEvents('ns').map(({ code }) => code);
    expect(codes).toContain('flapping-ban');
    expect(codes).toContain('authentication-ban');
    await node.journal.current.promise();
    const again = await TestNode.start(node.store);
    expect(principalOf(again.broker.admit(admitRequest(ann)))).toBe('!banned');
    again.runtime.advance(100_001);
    again.broker.sweep();
    expect(principalOf(again.broker.admit(admitRequest({ ...ann, clientId: 'c' })))).toBe('password ann');
  });

  it('a suspended cluster lets nobody in, tells why, and keeps its data', async () => {
    const { node, apply, admit, connect } = await nodeWith({});
    const { reasons } = connect(admit(ann));
    await apply({}, { suspended: { reason: 'the invoice is open: https://pay' } });
    expect(reasons).toEqual(['suspended']);
    const outcome = admit(ann);
    expect('refused' in outcome && outcome.message).toContain('https://pay');
    expect(principalOf(admit({ ...ann, password: Buffer.from('no') }))).toBe('!bad-credentials');
    const again = await TestNode.start(node.store);
    expect(principalOf(again.broker.admit(admitRequest(ann)))).toBe('!suspended');
  });
});
