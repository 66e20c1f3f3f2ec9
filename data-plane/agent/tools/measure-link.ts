import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { AgentKeys, type AgentIdentity } from '../src/identity.ts';
import { fingerprintIn } from '../src/link-address.ts';
import { LinkTransport, type AuthenticateReply, type EnrollReply, type SessionStream } from '../src/link-transport.ts';
import { LinkTrust } from '../src/link-trust.ts';

/**
 * Load on a control plane's agent link: `node tools/measure-link.ts URL LINK OPERATOR_TOKEN API_PID [agents] [seconds]`.
 * Each simulated agent is one real TLS connection with one real stream: it enrols, authenticates, says Hello, and sends a
 * lease every 10 s. Prints JSON; figures are in docs/limits.md.
 */
const [url, link, operatorToken, apiPid, count = '1000', seconds = '60'] = process.argv.slice(2) as [
  ...[string, string, string, string],
  ...(string | undefined)[],
];
const AGENTS = Number(count);
const LEASE_MS = 10_000;
const AT_ONCE = 8;

const latencies: number[] = [];
let answered = 0;
const keys = Array.from({ length: 64 }, () => new AgentKeys(generateKeyPairSync('ed25519').privateKey));

const before = server();
const startedAt = Date.now();
const streams: SessionStream[] = [];
let failed = 0;
let next = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let n = next++; n < AGENTS; n = next++) await join(n).catch(() => (failed += 1));
  }),
);
const joinedMs = Date.now() - startedAt;
await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
latencies.length = 0;
answered = 0;
const quiet = server();
await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
const loaded = server();
const sorted = latencies.toSorted((a, b) => a - b);
const at = (share: number): number => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0);
const report = {
  agents: streams.length,
  failed,
  joinsPerSecond: Math.round((streams.length * 1000) / joinedMs),
  leasesPerSecond: Math.round(answered / Number(seconds)),
  leaseAnsweredMs: { p50: at(0.5), p99: at(0.99) },
  apiCpuPercent: Math.round(((loaded.cpuMs - quiet.cpuMs) / (Number(seconds) * 1000)) * 100),
  apiMegabytes: { before: before.megabytes, after: loaded.megabytes },
  apiKibPerAgent: Math.round(((loaded.megabytes - before.megabytes) * 1024) / Math.max(1, streams.length)),
};
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
process.exit(0);

async function join(n: number): Promise<void> {
  const own = keys[n % keys.length]!;
  const made = await fetch(`${url}/v1/operator/join-tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ region: `load-${n % 10}` }),
  });
  const { token } = (await made.json()) as { token: string };
  const transport = new LinkTransport(link, new LinkTrust([fingerprintIn(token)!], undefined));
  const { agentId, epoch, region, controlPublicKeyPem } = await transport.call<EnrollReply>('Enroll', {
    joinToken: token,
    publicKeyPem: own.publicKeyPem,
    agentVersion: 'load',
    signature: own.sign(token),
  });
  const identity: AgentIdentity = { agentId, epoch, region, controlPublicKeyPem, linkPins: [] };
  const reply = await transport.call<AuthenticateReply>('Authenticate', {
    ...{ agentId, epoch },
    ...own.assertion(identity, Date.now()),
  });
  transport.accessToken = reply.accessToken;
  const stream = await transport.openSession();
  let sentAt = 0;
  stream.on('error', () => (failed += 1));
  stream.on('data', () => {
    latencies.push(performance.now() - sentAt);
    answered += 1;
  });
  stream.write({ hello: { agentId, epoch, agentVersion: 'load', haveVersion: 0, endpointsJson: '' } });
  const lease = (): void => {
    sentAt = performance.now();
    stream.write({ lease: { seq: 1, agentTimeMs: Date.now() } });
  };
  setTimeout(() => setInterval(lease, LEASE_MS), Math.random() * LEASE_MS);
  streams.push(stream);
}

/** Resident memory and processor time of the API process. */
function server(): { megabytes: number; cpuMs: number } {
  const status = readFileSync(`/proc/${apiPid}/status`, 'utf8');
  const stat = readFileSync(`/proc/${apiPid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    megabytes: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024),
    // clock ticks of 10 ms
    cpuMs: (Number(fields[11]) + Number(fields[12])) * 10,
  };
}
