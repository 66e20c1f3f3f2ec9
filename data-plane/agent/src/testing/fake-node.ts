import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';

/**
 * A node as the agent sees one, as a real process: reads the managed configuration, listens on its ports, speaks the
 * admin protocol on a unix socket and keeps namespaces and closed usage windows on disk. It serves no clients.
 * `POST /test/usage {clusterId, value}` closes a window by hand.
 */
interface State {
  epoch: string;
  seq: number;
  namespaces: Record<string, { clusterId: string; generation: number; key: string }>;
  usage: object[];
  /** Clusters with usage in the open window, and when it closes. */
  open: Record<string, number>;
  /** Answers to the next questions for objects of removed streams; a key `lingering…` leaves some. */
  lingering: number[];
}
/** The window that is open when a namespace goes closes this much later. */
const WINDOW_CLOSES_AFTER_MS = 600;

interface At {
  host: string;
  port: number;
}
const config = JSON.parse(readFileSync(process.argv[3]!, 'utf8')) as {
  nodeId: string;
  dataDir: string;
  runDir: string;
  adminTokenFile: string;
  listeners: Record<string, At | At[]>;
};
const allListeners = Object.entries(config.listeners).flatMap(([protocol, one]) =>
  [one].flat().map(({ host, port }) => ({ protocol, host, port })),
);
const token = readFileSync(config.adminTokenFile, 'utf8').trim();
const statePath = join(config.dataDir, 'state.json');
const socketPath = join(config.runDir, 'admin.sock');

const load = (): State => {
  try {
    return JSON.parse(readFileSync(statePath, 'utf8')) as State;
  } catch {
    return { epoch: randomUUID(), seq: 0, namespaces: {}, usage: [], open: {}, lingering: [] };
  }
};
const state = load();
const save = (): void => {
  writeFileSync(`${statePath}.new`, JSON.stringify(state));
  renameSync(`${statePath}.new`, statePath);
};

const closeWindow = (clusterId: string, value: string): void => {
  state.seq += 1;
  state.usage.push({
    seq: state.seq,
    nodeId: config.nodeId,
    nodeEpoch: state.epoch,
    clusterId,
    protocol: 'mqtt',
    meter: 'messages_in',
    windowStartMs: 1_795_000_000_000 + state.seq * 60_000,
    value,
    cumulative: value,
  });
};

const openUsage = (): object[] => {
  for (const [clusterId, closesAtMs] of Object.entries(state.open)) {
    if (Date.now() < closesAtMs) continue;
    delete state.open[clusterId];
    closeWindow(clusterId, '7');
    save();
  }
  const counter = { protocol: 'mqtt', meter: 'messages_in', value: '7', cumulative: '7' };
  return Object.keys(state.open).map((clusterId) => ({ clusterId, ...counter }));
};

const observed = (namespace: State['namespaces'][string]): object => ({
  clusterId: namespace.clusterId,
  observedGeneration: namespace.generation,
  phase: 'ready',
  endpointsReachable: true,
  topics: [],
  connections: 0,
});

const bodyOf = async (incoming: IncomingMessage): Promise<Record<string, unknown>> => {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
};

async function answer(incoming: IncomingMessage): Promise<[number, unknown]> {
  const url = new URL(incoming.url ?? '/', 'http://node');
  const [, , noun, id] = url.pathname.split('/');
  const body = await bodyOf(incoming);
  if (incoming.headers.authorization !== `Bearer ${token}`) return [401, { message: 'wrong token' }];
  switch (`${incoming.method} ${noun}${id ? '/id' : ''}`) {
    case 'GET health': {
      const listeners = allListeners;
      const { nodeId } = config;
      return [200, { nodeId, nodeEpoch: state.epoch, pid: process.pid, version: '0', ready: true, listeners }];
    }
    case 'GET namespaces':
      return [200, Object.values(state.namespaces).map(observed)];
    case 'PUT namespaces/id': {
      const spec = body as unknown as State['namespaces'][string];
      if (spec.key.startsWith('refused')) return [500, { message: 'no room for this namespace' }];
      state.namespaces[id!] = { clusterId: spec.clusterId, generation: spec.generation, key: spec.key };
      save();
      return [200, observed(state.namespaces[id!]!)];
    }
    case 'DELETE namespaces/id':
      if (state.namespaces[id!]?.key.startsWith('lingering')) state.lingering = [2, 1];
      if (state.namespaces[id!]) state.open[id!] = Date.now() + WINDOW_CLOSES_AFTER_MS;
      delete state.namespaces[id!];
      save();
      return [204, undefined];
    case 'POST removals': {
      const streams = state.lingering.shift() ?? 0;
      save();
      return [200, { streams }];
    }
    case 'GET usage': {
      const after = Number(url.searchParams.get('afterSeq'));
      const limit = Number(url.searchParams.get('limit'));
      const windows = state.usage.filter((window) => (window as { seq: number }).seq > after).slice(0, limit);
      return [200, { nodeEpoch: state.epoch, windows }];
    }
    case 'DELETE usage': {
      const through = Number(url.searchParams.get('throughSeq'));
      state.usage = state.usage.filter((window) => (window as { seq: number }).seq > through);
      save();
      return [204, undefined];
    }
    case 'GET usage/id': {
      const usage = openUsage();
      return [200, { nodeEpoch: state.epoch, windowStartMs: 0, usage }];
    }
    case 'POST usage':
      closeWindow(body['clusterId'] as string, body['value'] as string);
      save();
      return [204, undefined];
    default:
      return [404, { message: 'no such thing' }];
  }
}

function serveAdmin(): void {
  rmSync(socketPath, { force: true });
  const server = createHttpServer((incoming, reply: ServerResponse) => {
    void answer(incoming).then(([status, body]) => {
      reply.writeHead(status, { 'content-type': 'application/json' });
      reply.end(body === undefined ? undefined : JSON.stringify(body));
    });
  });
  server.listen(socketPath, () => {
    const run = { pid: process.pid, adminSocket: socketPath };
    writeFileSync(join(config.runDir, 'node.json.new'), JSON.stringify(run));
    renameSync(join(config.runDir, 'node.json.new'), join(config.runDir, 'node.json'));
  });
}

process.on('SIGTERM', () => process.exit(0));
save();
let waiting = 0;
for (const { host, port } of allListeners) {
  waiting += 1;
  const server = createTcpServer((socket) => socket.on('error', () => undefined).end());
  server.on('error', () => {
    process.stderr.write(`port ${port} is already in use\n`);
    process.exit(1);
  });
  server.listen(port, host, () => {
    waiting -= 1;
    if (waiting === 0) serveAdmin();
  });
}
