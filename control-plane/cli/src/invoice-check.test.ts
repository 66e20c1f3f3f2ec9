import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { usageWindowText, type UsageWindow } from '@robustmq/contracts';
import { PRICE_LIST, statementOf } from '@robustmq/rating';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recorder } from './testing/recording-terminal.ts';

const GIB = 2n ** 30n;
const CLUSTER = '0193b3a0-0000-7000-8000-000000000001';
const AGENT = '0193b3a0-0000-7000-8000-000000000002';
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
const period = { from: '2026-11-01T00:00:00.000Z', to: '2026-12-01T00:00:00.000Z' };

const windows = [1n, 2n, 3n].map((n) => {
  const window = {
    ...{ seq: Number(n), nodeId: 'n', nodeEpoch: 'e', clusterId: CLUSTER, protocol: 'mqtt', meter: 'egress_bytes' },
    ...{ windowStartMs: Date.parse('2026-11-10T00:00:00Z') + Number(n) * 60_000 },
    ...{ value: (34n * GIB).toString(), cumulative: (34n * GIB * n).toString() },
  } as UsageWindow;
  const signature = sign(null, Buffer.from(usageWindowText(window)), privateKey).toString('base64');
  return { ...window, agentId: AGENT, signature };
});
const inputs = {
  ...{ period, currency: 'USD', prices: PRICE_LIST.filter((one) => one.meter === 'egress_bytes'), phases: [] },
  quantities: [{ plan: 'serverless', meter: 'egress_bytes', quantity: (102n * GIB).toString() }],
  ...{ commitment: null, isFinal: true, discounts: [], credits: [], creditsAt: period.to, taxes: [], corrected: [] },
  clusters: [{ id: CLUSTER, name: 'c', plans: [{ plan: 'serverless', until: null }] }],
  countedUntil: period.to,
};
const statement = statementOf(inputs as unknown as Parameters<typeof statementOf>[0]);
const party = { name: '', address: [], taxId: '', email: '' };
const invoice = {
  ...{ id: '0193b3a0-0000-7000-8000-000000000003', kind: 'invoice', number: '4F2A91C0-0001', status: 'issued' },
  ...{ currency: 'USD', periodFrom: period.from, periodTo: period.to, holdReason: null, createdAt: period.to },
  ...{ issuedAt: period.to, dueAt: period.to, settledAt: null, seller: party, buyer: party },
  ...{ lines: statement.lines, subtotal: statement.subtotal, tax: statement.tax, total: statement.total },
};

describe('invoice verify, without a server', { timeout: 60_000 }, () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'rmq verify '));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const verified = async (lines: readonly object[], ...options: string[]) => {
    const path = join(dir, 'proof.ndjson');
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { code, out } = await recorder('http://127.0.0.1:1').exec([
      'invoice',
      'verify',
      path,
      '-o',
      'json',
      ...options,
    ]);
    return { exitCode: code, text: out };
  };
  const proof = { invoice, inputs, agentKeys: { [AGENT]: pem } };

  it('says yes to what follows from its windows to the last cent', async () => {
    const { exitCode, text } = await verified([proof, ...windows]);
    expect(JSON.parse(text)).toMatchObject({ verified: true, windows: 3, unsigned: 0, total: '800', problems: [] });
    expect(exitCode).toBe(0);
  });

  it('names the first window that was altered, and fails', async () => {
    const altered = windows.map((window, n) => (n === 1 ? { ...window, value: '1' } : window));
    const { exitCode, text } = await verified([proof, ...altered]);
    expect(exitCode).toBe(1);
    expect(JSON.parse(text)).toMatchObject({
      verified: false,
      firstAltered: expect.stringContaining('position 2') as string,
    });
  });

  it('trusts the keys it is given and no others', async () => {
    const [mine, other] = [join(dir, 'mine.pem'), join(dir, 'other.pem')];
    writeFileSync(mine, pem);
    writeFileSync(other, generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }));
    expect((await verified([proof, ...windows], '--key', mine)).exitCode).toBe(0);
    expect((await verified([proof, ...windows], '--key', other)).exitCode).toBe(1);
    expect((await verified([{}])).exitCode).toBe(2);
  });
});
