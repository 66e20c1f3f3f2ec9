import { alternate, type Results } from './alternate.ts';
import { runIdle, runStorm, type IdleMeasured, type StormMeasured } from './mqtt-connections.ts';
import { runDrain } from './mqtt-drain.ts';
import { runFlow, type FlowMeasured, type Times } from './mqtt-flow.ts';
import { runLatency, type LatencyMeasured } from './mqtt-latency.ts';
import { MQTT_SCENARIOS, type IdleScenario, type MqttScenario } from './mqtt-scenarios.ts';
import { connectionTable, flowTable, latencyTable, type Column, type Row } from './mqtt-tables.ts';
import { PeerFailure } from './peer-failure.ts';
import { freeBase, startPeer, type Peer } from './peers.ts';

/** First port looked at. */
const PORT_MIN = 12_100;

export const MQTT_COLUMNS: readonly Column[] = [
  { name: 'robustmq', title: 'RobustMQ' },
  { name: 'robustmq captured', title: 'RobustMQ, captured in a topic' },
  { name: 'mosquitto', title: 'mosquitto' },
  { name: 'nats-server', title: 'nats-server' },
  { name: 'rabbitmq', title: 'RabbitMQ' },
  { name: 'aedes', title: 'aedes' },
];

export interface MqttBenchOptions {
  readonly rounds: number;
  readonly times: Times;
  /** Parts of the names of the rows wanted; empty = all. */
  readonly only: readonly string[];
  /** Names of the peers wanted; empty = all. Ours are always measured. */
  readonly peers: readonly string[];
  readonly say: (line: string) => void;
}

/** A column of the tables with its running server, or why there is none. */
interface Contestant extends Column {
  readonly peer: Peer | string;
}

/** Measures all rows against all peers that are installed and returns the tables as text. */
export async function benchMqtt(options: MqttBenchOptions): Promise<string> {
  const columns = chooseColumns(options.peers);
  const rows: Row[] = [];
  const wanted = MQTT_SCENARIOS.filter(
    ({ name }) => options.only.length === 0 || options.only.some((part) => name.includes(part)),
  );
  // fresh processes have the machine to themselves
  for (const spec of wanted) if (spec.kind === 'idle') rows.push(await idleRow(columns, spec, options));
  const rest = wanted.filter((spec) => spec.kind !== 'idle');
  const contestants: Contestant[] = [];
  try {
    if (rest.length > 0)
      for (const column of columns)
        contestants.push({ ...column, peer: await startOrReason(column.name, false, options) });
    for (const spec of rest) {
      const row = await measureRow(contestants, spec, options);
      rows.push(row);
      options.say(describe(columns, row));
    }
  } finally {
    for (const { peer } of contestants) if (typeof peer !== 'string') await peer.stop();
  }
  const legend = 'Figures of a row that is missing are n/a, with the reason.';
  const tables = [flowTable(columns, rows), latencyTable(columns, rows), connectionTable(columns, rows)];
  return [legend, ...tables.filter((text) => text !== '')].join('\n\n');
}

function chooseColumns(peers: readonly string[]): readonly Column[] {
  const known = MQTT_COLUMNS.map(({ name }) => name);
  for (const name of peers) {
    if (!known.includes(name)) throw new Error(`no peer ${name}: there are ${known.join(', ')}`);
  }
  return MQTT_COLUMNS.filter(({ name }) => peers.length === 0 || name === 'robustmq' || peers.includes(name));
}

/** A peer that is not installed is a column without figures. Throws what ours throws. */
export async function startOrReason(
  name: string,
  tls: boolean,
  { say }: Pick<MqttBenchOptions, 'say'>,
  start: typeof startPeer = startPeer,
): Promise<Peer | string> {
  try {
    return await start(name, await freeBase(PORT_MIN), { tls });
  } catch (error) {
    if (!(error instanceof PeerFailure) || name.startsWith('robustmq')) throw error;
    say(error.message);
    return `n/a (${error.reason})`;
  }
}

/** Why a column has no figures in a row; null = it is measured. */
function excluded({ name, peer }: Contestant, spec: MqttScenario): string | null {
  const reason = 'unsupported' in spec ? spec.unsupported?.[name] : undefined;
  if (reason !== undefined) return `n/a (${reason})`;
  if (typeof peer === 'string') return peer;
  const isCaptured = name === 'robustmq captured';
  return isCaptured && !(spec.kind === 'flow' && spec.isCapturedToo === true) ? '-' : null;
}

async function measureRow(
  contestants: readonly Contestant[],
  spec: Exclude<MqttScenario, IdleScenario>,
  { rounds, times, say }: MqttBenchOptions,
): Promise<Row> {
  const measured = contestants.filter((one) => excluded(one, spec) === null);
  const peers = measured.map(({ peer }) => peer as Peer);
  const run = (peer: Peer): Promise<FlowMeasured | LatencyMeasured | StormMeasured> => {
    if (spec.kind === 'flow') return runFlow(peer, spec, times);
    if (spec.kind === 'drain') return runDrain(peer, spec, times);
    return spec.kind === 'latency' ? runLatency(peer, spec, times) : runStorm(peer, spec, times);
  };
  const results = await alternate(peers, rounds, run, (line) => say(`  ${spec.name}: ${line}`));
  const byName = new Map(measured.map(({ name }, index) => [name, results[index]!]));
  for (const one of contestants) byName.set(one.name, byName.get(one.name) ?? excluded(one, spec)!);
  return { spec, results: byName } as Row;
}

/** Every server in a process of its own that has done nothing else; once, for memory hardly varies. */
async function idleRow(columns: readonly Column[], spec: IdleScenario, options: MqttBenchOptions): Promise<Row> {
  const results = new Map<string, Results<IdleMeasured>>();
  for (const { name } of columns) {
    if (name === 'robustmq captured') results.set(name, '-');
    else results.set(name, await measureIdle(name, spec, options));
  }
  const row: Row = { spec, results };
  options.say(describe(columns, row));
  return row;
}

async function measureIdle(
  name: string,
  spec: IdleScenario,
  options: MqttBenchOptions,
): Promise<Results<IdleMeasured>> {
  const peer = await startOrReason(name, spec.tls, options);
  if (typeof peer === 'string') return peer;
  try {
    return [await runIdle(peer, spec, options.times)];
  } catch (error) {
    if (!(error instanceof PeerFailure) || peer.isOurs) throw error;
    options.say(error.message);
    return `n/a (${error.reason})`;
  } finally {
    await peer.stop();
  }
}

function describe(columns: readonly Column[], row: Row): string {
  const table = [flowTable, latencyTable, connectionTable]
    .map((make) => make(columns, [row]))
    .find((text) => text !== '')!;
  return table.split('\n').slice(-rowsOf(row)).join('\n');
}
/** The first idle row tells of the fresh process too. */
const rowsOf = ({ spec }: Row): number => (spec.kind === 'idle' && !spec.tls ? 2 : 1);
