import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeCertificate } from '@robustmq/contracts/x509';
import { readAgentConfig } from './agent-config.ts';
import { enroll } from './enrolment.ts';
import { openKeys, readIdentity, writeIdentity, type AgentIdentity, type AgentKeys } from './identity.ts';
import { fingerprintIn, readLinkAddress } from './link-address.ts';
import { LinkTransport } from './link-transport.ts';
import { LinkTrust } from './link-trust.ts';
import { FakeControlPlane } from './testing/fake-control-plane.ts';
import { eventually, scratchDirectory, testLog } from './testing/fixtures.ts';

interface Shown {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly fingerprint: string;
}
function certificate(): Shown {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificatePem = makeCertificate(
    {
      ...{ commonName: 'link', publicKey, names: ['link'], use: 'server' },
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
    },
    { privateKey },
  );
  const fingerprint = createHash('sha256').update(new X509Certificate(certificatePem).raw).digest('base64url');
  return {
    certificatePem,
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    fingerprint,
  };
}

describe('a link over TLS', { timeout: 120_000 }, () => {
  const [first, second, foreign] = [certificate(), certificate(), certificate()];
  const never = new AbortController().signal;
  let control: FakeControlPlane;
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  let keys: AgentKeys;
  const transports: LinkTransport[] = [];

  beforeEach(async () => {
    scratch = await scratchDirectory();
    control = new FakeControlPlane();
    control.tls = first;
    control.joinToken = `rmqj_test.${first.fingerprint}`;
    control.fingerprints = [first.fingerprint, second.fingerprint];
    await control.start();
    keys = await openKeys(scratch.dir);
  });
  afterEach(async () => {
    for (const transport of transports.splice(0)) transport.close();
    control.stop();
    await scratch.remove();
  });

  const open = (trust: LinkTrust, address = `127.0.0.1:${control.port}`): LinkTransport => {
    const transport = new LinkTransport(address, trust);
    transports.push(transport);
    return transport;
  };
  const join = async (token = control.joinToken): Promise<AgentIdentity> => {
    const pins = [fingerprintIn(token)!];
    const transport = open(new LinkTrust(pins, undefined));
    return (await enroll(scratch.dir, transport, keys, token, 'test', testLog, never, pins))!;
  };
  const trustOf = (identity: AgentIdentity): LinkTrust =>
    new LinkTrust(identity.linkPins, identity.controlPublicKeyPem, (linkPins) =>
      writeIdentity(scratch.dir, { ...identity, linkPins: [...linkPins] }),
    );
  const authenticate = (transport: LinkTransport, { agentId, epoch }: AgentIdentity) =>
    transport.call('Authenticate', {
      agentId,
      epoch,
      ...keys.assertion({ agentId, epoch } as AgentIdentity, Date.now()),
    });
  /** The same port with another certificate, or none. */
  const restart = async (tls: Shown | undefined): Promise<void> => {
    control.stop();
    control.tls = tls;
    await control.start();
  };

  it('enrols with the certificate that the join token names, and pins it', async () => {
    const identity = await join();
    expect(identity.linkPins).toEqual([first.fingerprint]);
    expect(await readIdentity(scratch.dir)).toEqual(identity);
    await authenticate(open(trustOf(identity)), identity);
  });

  it('says its token to nobody else', async () => {
    await restart(foreign);
    await expect(join()).rejects.toMatchObject({ code: 'link-untrusted' });
    expect(control.enrolments).toBe(0);
  });

  it('says nothing to a certificate that is neither pinned nor vouched for', async () => {
    const identity = await join();
    await restart(foreign);
    const transport = open(trustOf(identity));
    await expect(authenticate(transport, identity)).rejects.toMatchObject({ code: 'link-untrusted' });
    // somebody who passes the control plane's own answer on is still not in it; and a forged list is worth nothing
    control.fingerprints = [foreign.fingerprint];
    control.signsFingerprints = false;
    await expect(authenticate(transport, identity)).rejects.toMatchObject({ code: 'link-untrusted' });
    expect(control.authentications).toBe(0);
  });

  it('speaks no plain text to a port that had TLS', async () => {
    const identity = await join();
    await restart(undefined);
    await expect(authenticate(open(trustOf(identity)), identity)).rejects.toMatchObject({ code: 'link-unavailable' });
    expect(control.authentications).toBe(0);
  });

  it('knows the next certificate before it is used, and takes one that was never announced when it is vouched for', async () => {
    const identity = await join();
    const transport = open(trustOf(identity));
    await authenticate(transport, identity);
    await transport.learnCertificates();
    expect((await readIdentity(scratch.dir))?.linkPins).toEqual([first.fingerprint, second.fingerprint]);
    control.fingerprints = [];
    await restart(second);
    // the first call finds the old connection dead
    await eventually('it goes on', () =>
      authenticate(transport, identity).then(
        () => true,
        () => false,
      ),
    );
    expect(control.authentications).toBeGreaterThanOrEqual(2);

    const third = certificate();
    control.fingerprints = [third.fingerprint, foreign.fingerprint];
    await restart(third);
    await eventually('it goes on', () =>
      authenticate(transport, identity).then(
        () => true,
        () => false,
      ),
    );
    expect((await readIdentity(scratch.dir))?.linkPins).toEqual([third.fingerprint, foreign.fingerprint]);
  });

  it('moves an agent that joined in plain text over, on the word of the control plane’s key', async () => {
    const identity = await join();
    await authenticate(open(trustOf({ ...identity, linkPins: [] })), identity);
    expect((await readIdentity(scratch.dir))?.linkPins).toEqual([first.fingerprint, second.fingerprint]);
  });
});

describe('the address of a link', () => {
  it.each([
    ['127.0.0.1:8081', 'pinned'],
    ['control.example.com:8081', 'pinned'],
    ['[::1]:8081', 'pinned'],
    ['https://control.example.com:443', 'public'],
    ['http://127.0.0.1:8081', 'plain'],
    ['http://localhost:8081', 'plain'],
    ['http://[::1]:8081', 'plain'],
  ])('%s is %s', (text, kind) => expect(readLinkAddress(text).kind).toBe(kind));

  it.each(['http://10.0.0.1:8081', 'http://control.example.com:8081', 'ftp://a:1', 'a', 'a:0', 'a:70000', 'a:1/path'])(
    '%s is refused',
    (text) => {
      expect(() => readLinkAddress(text)).toThrow(expect.objectContaining({ code: 'config-invalid' }));
      expect(() => readAgentConfig({ ROBUSTMQ_AGENT_LINK: text })).toThrow(/ROBUSTMQ_AGENT_LINK/);
    },
  );

  it('finds the fingerprint in a token that has one', () => {
    expect(fingerprintIn(`rmqj_abc.${'x'.repeat(43)}`)).toBe('x'.repeat(43));
    expect(fingerprintIn('rmqj_abc')).toBeUndefined();
    expect(fingerprintIn(`rmqj_abc.${'x'.repeat(42)}`)).toBeUndefined();
  });
});
