import { generateKeyPairSync, sign } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DesiredStore, verifyState, type SignedState } from './desired-store.ts';
import { namespaceSpec, scratchDirectory } from './testing/fixtures.ts';

const keys = generateKeyPairSync('ed25519');
const identity = {
  agentId: 'agent-1',
  epoch: 1,
  region: 'local',
  controlPublicKeyPem: keys.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  linkPins: [],
};
const signed = (
  version: number,
  clusters: number[],
  agentId = identity.agentId,
  key = keys.privateKey,
): SignedState => {
  const desiredJson = JSON.stringify({ agentId, version, namespaces: clusters.map((n) => namespaceSpec(n)) });
  return { version, desiredJson, signature: sign(null, Buffer.from(desiredJson), key).toString('base64') };
};

describe('verifyState', () => {
  const stranger = generateKeyPairSync('ed25519').privateKey;
  const good = signed(1, [1]);
  const table: [string, SignedState][] = [
    ['another key', signed(1, [1], identity.agentId, stranger)],
    ['a flipped bit', { ...good, desiredJson: good.desiredJson.replace('cluster-1', 'cluster-2') }],
    ['no signature', { ...good, signature: '' }],
    ['another agent', signed(1, [1], 'agent-2')],
    ['a version beside the body', { ...good, version: 2 }],
    [
      'a body that is not a state',
      (() => {
        const desiredJson = '{"version":1}';
        return {
          version: 1,
          desiredJson,
          signature: sign(null, Buffer.from(desiredJson), keys.privateKey).toString('base64'),
        };
      })(),
    ],
  ];
  it.each(table)('refuses %s', (_what, state) => {
    expect(() => verifyState(state, identity)).toThrow(expect.objectContaining({ code: 'state-unverified' }));
  });
});

describe('DesiredStore', () => {
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  const reopened = async (): Promise<DesiredStore> => {
    const store = await DesiredStore.open(scratch.dir);
    await store.load(identity);
    return store;
  };
  beforeEach(async () => {
    scratch = await scratchDirectory();
  });
  afterEach(() => scratch.remove());

  it('keeps the newest state over a restart, and which clusters went', async () => {
    const store = await reopened();
    expect(store.current).toBeUndefined();
    expect(await store.accept(signed(1, [1, 2]), identity)).toBe(true);
    expect(await store.accept(signed(4, [2]), identity)).toBe(true);
    expect(await store.accept(signed(4, [2]), identity)).toBe(false);
    const again = await reopened();
    expect(again.version).toBe(4);
    expect(again.current?.removed).toEqual([namespaceSpec(1).clusterId]);
    await again.accept(signed(5, [1]), identity);
    expect(again.current?.removed).toEqual([namespaceSpec(2).clusterId]);
  });

  it('refuses an older version, and stays', async () => {
    const store = await reopened();
    await store.accept(signed(7, [1]), identity);
    await expect(store.accept(signed(6, []), identity)).rejects.toMatchObject({ code: 'state-unverified' });
    expect(store.current?.desired.namespaces).toHaveLength(1);
  });

  it('falls back to the generation before when the newest is damaged or was never finished', async () => {
    const store = await reopened();
    await store.accept(signed(1, [1]), identity);
    await store.accept(signed(2, [1, 2]), identity);
    const newest = join(scratch.dir, 'state.bin');
    const bytes = await readFile(newest);
    for (const at of [0, 10, 30, bytes.length - 1]) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1;
      await writeFile(newest, damaged);
      expect((await reopened()).version).toBe(1);
    }
    await rm(newest);
    expect((await reopened()).version).toBe(1);
  });

  it('writes nothing readable and nothing for others', async () => {
    const store = await reopened();
    await store.accept(signed(1, [1]), identity);
    const path = join(scratch.dir, 'state.bin');
    expect((await readFile(path)).includes('cluster-1')).toBe(false);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(scratch.dir, 'snapshot.key'))).mode & 0o777).toBe(0o600);
  });
});
