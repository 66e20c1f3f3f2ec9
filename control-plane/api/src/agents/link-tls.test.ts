import { createHash, verify } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { credentials, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSettings } from '../settings.ts';
import { joinToken, TestAgent } from '../testing/test-agent.ts';
import { OPERATOR_TOKEN, startTestApi, until, type TestApi } from '../testing/test-api.ts';
import { LinkCertificates } from './link-certificates.ts';

interface Shown {
  readonly pem: string;
  readonly fingerprint: string;
}

let api: TestApi;
let dir: string;
const agents: TestAgent[] = [];
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'robustmq-link-'));
  api = await startTestApi({ linkCertificatesFile: join(dir, 'link.json') });
});
afterAll(async () => {
  for (const agent of agents) agent.close();
  await api.stop();
  rmSync(dir, { recursive: true });
});

const shown = (): Promise<Shown> =>
  new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: api.settings.agentPort,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    };
    const socket = connect(options, () => {
      const certificate = socket.getPeerX509Certificate()!;
      const fingerprint = createHash('sha256').update(certificate.raw).digest('base64url');
      resolve({ pem: certificate.toString(), fingerprint });
      socket.destroy();
    });
    socket.once('error', reject);
  });
const secure = ({ pem }: Shown): TestAgent => {
  const trust = credentials.createSsl(Buffer.from(pem), null, null, { checkServerIdentity: () => undefined });
  const agent = new TestAgent(api.agentAddress, undefined, trust);
  agents.push(agent);
  return agent;
};

describe('the agent link over TLS', () => {
  it('shows the certificate that join tokens name, and takes agents that trust it', async () => {
    const token = await joinToken(api);
    const certificate = await shown();
    expect(token).toMatch(new RegExp(`^rmqj_[\\w-]+\\.${certificate.fingerprint}$`));
    const agent = secure(certificate);
    await agent.join(token);
    await agent.open();
    expect(agent.frames.length).toBeGreaterThan(0);
    // a token cut down to its secret is not the token
    expect(
      await secure(certificate)
        .enrol(token.split('.')[0]!)
        .catch((error: { code: number }) => error.code),
    ).toBe(status.UNAUTHENTICATED);
  });

  it('refuses a join token that has expired, over TLS as without', async () => {
    const token = await joinToken(api, 'local', 1);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const agent = secure(await shown());
    await expect(agent.enrol(token)).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  });

  it('speaks no plain text', async () => {
    const plain = new TestAgent(api.agentAddress);
    agents.push(plain);
    await expect(plain.enrol(await joinToken(api))).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });

  it('rotates to the announced certificate while streams stay open, and vouches for both', async () => {
    const before = await shown();
    const agent = secure(before);
    await agent.join(await joinToken(api));
    await agent.open();
    const vouched = async (by: TestAgent): Promise<string[]> => {
      const nonce = 'a-nonce-of-mine';
      const reply = await by.call<{ fingerprintsJson: string; signature: string }>('LinkCertificates', { nonce }, '');
      const text = Buffer.from(`link-certificates|${nonce}|${reply.fingerprintsJson}`);
      expect(verify(null, text, api.keys.publicKeyPem, Buffer.from(reply.signature, 'base64'))).toBe(true);
      return JSON.parse(reply.fingerprintsJson) as string[];
    };
    const [current, next] = await vouched(agent);
    expect(current).toBe(before.fingerprint);
    const denied = await api.call('POST', '/v1/operator/link-certificate/rotate');
    expect(denied.status).toBe(401);
    const rotated = await api.call<{ fingerprints: string[] }>('POST', '/v1/operator/link-certificate/rotate', {
      token: OPERATOR_TOKEN,
    });
    expect(rotated.body.fingerprints[0]).toBe(next);
    const after = await until(shown, ({ fingerprint }) => fingerprint === next);
    // the stream that was open still answers
    const frames = agent.frames.length;
    agent.stream!.write({ lease: { seq: 2, agentTimeMs: Date.now() } });
    await until(
      async () => agent.frames.length,
      (count) => count > frames,
    );
    // who comes now sees the new one, and a token minted now names it
    const token = await joinToken(api);
    expect(token.endsWith(`.${next}`)).toBe(true);
    await secure(after).join(token);
  });

  it('keeps its certificates for the next start, private, and says so when they are damaged', () => {
    const file = api.settings.linkCertificatesFile!;
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const now = new Date();
    const again = LinkCertificates.open(file, now);
    const [current, next] = again.fingerprints;
    // close to its end it gives way by itself
    const later = LinkCertificates.open(file, new Date(now.getTime() + 340 * 86_400_000));
    expect(later.fingerprints[0]).toBe(next);
    expect(later.fingerprints).not.toContain(current);
    const damaged = join(dir, 'damaged.json');
    writeFileSync(damaged, readFileSync(file, 'utf8').slice(20));
    expect(() => LinkCertificates.open(damaged)).toThrow(/cannot be used/);
  });

  it('is plain only on loopback', () => {
    const environment = {
      DATABASE_URL: 'x',
      ROBUSTMQ_OPERATOR_TOKEN: 'x'.repeat(16),
      ROBUSTMQ_AGENT_LINK_PLAIN: 'true',
    };
    expect(readSettings(environment).linkCertificatesFile).toBeUndefined();
    expect(() => readSettings({ ...environment, ROBUSTMQ_BIND: '0.0.0.0' })).toThrow(/ROBUSTMQ_AGENT_LINK_PLAIN/);
    expect(readSettings({ ...environment, ROBUSTMQ_AGENT_LINK_PLAIN: '' }).linkCertificatesFile).toMatch(/\.json$/);
  });
});
