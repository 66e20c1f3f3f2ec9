import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DesiredStore } from '../src/desired-store.ts';
import { namespaceSpec } from '../src/testing/fixtures.ts';

/**
 * What taking a desired state costs an agent: `node data-plane/agent/tools/measure-snapshot.ts [clusters] [rounds]`. `accept`
 * is signature, shape and the file, flushed; `load` is the same file read at a start. Prints JSON, milliseconds.
 */
const CLUSTERS = Number(process.argv[2] ?? 2_000);
const ROUNDS = Number(process.argv[3] ?? 20);

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const controlPublicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
const identity = { agentId: 'agent-1', epoch: 1, region: 'local', controlPublicKeyPem, linkPins: [] };
const directory = mkdtempSync(join(tmpdir(), 'robustmq-snapshot-'));
const namespaces = Array.from({ length: CLUSTERS }, (_, n) => namespaceSpec(n));
const times = { accept: [] as number[], load: [] as number[] };
try {
  const store = await DesiredStore.open(directory);
  for (let version = 1; version <= ROUNDS; version += 1) {
    const desiredJson = JSON.stringify({ agentId: identity.agentId, version, namespaces });
    const signature = sign(null, Buffer.from(desiredJson), privateKey).toString('base64');
    let at = performance.now();
    await store.accept({ version, desiredJson, signature }, identity);
    times.accept.push(performance.now() - at);
    const again = await DesiredStore.open(directory);
    at = performance.now();
    await again.load(identity);
    times.load.push(performance.now() - at);
    if (again.version !== version) throw new Error(`version ${version} was not read back`);
  }
  const mebibytes = Math.round((statSync(join(directory, 'state.bin')).size / 2 ** 20) * 10) / 10;
  const figures = { clusters: CLUSTERS, mebibytes, accept: middle(times.accept), load: middle(times.load) };
  process.stdout.write(`${JSON.stringify({ ...figures, load1: loadavg()[0] })}\n`);
} finally {
  rmSync(directory, { recursive: true });
}

function middle(values: number[]): { p50: number; max: number } {
  const sorted = values.toSorted((a, b) => a - b);
  return { p50: Math.round(sorted[sorted.length >> 1]!), max: Math.round(sorted.at(-1)!) };
}
