import type { Results } from './alternate.ts';
import type { IdleMeasured, StormMeasured } from './mqtt-connections.ts';
import type { FlowMeasured } from './mqtt-flow.ts';
import type { LatencyMeasured } from './mqtt-latency.ts';
import type { DrainScenario, FlowScenario, IdleScenario, LatencyScenario, StormScenario } from './mqtt-scenarios.ts';
import { median, pairedRatio, rate, ratio, table } from './report.ts';

/** A server as the tables show it. */
export interface Column {
  readonly name: string;
  readonly title: string;
}
/** What one row measured, by the server's name. */
export type Row =
  | { readonly spec: FlowScenario | DrainScenario; readonly results: ReadonlyMap<string, Results<FlowMeasured>> }
  | { readonly spec: LatencyScenario; readonly results: ReadonlyMap<string, Results<LatencyMeasured>> }
  | { readonly spec: StormScenario; readonly results: ReadonlyMap<string, Results<StormMeasured>> }
  | { readonly spec: IdleScenario; readonly results: ReadonlyMap<string, Results<IdleMeasured>> };

const OURS = 'robustmq';

/** One cell per column: the figure, and behind it what `compare` says of ours and theirs. */
function cells<T>(
  columns: readonly Column[],
  results: ReadonlyMap<string, Results<T>>,
  figure: (runs: readonly T[]) => string,
  compare: (ours: readonly T[], theirs: readonly T[]) => string,
): string[] {
  const ours = results.get(OURS);
  return columns.map(({ name }) => {
    const runs = results.get(name) ?? '-';
    if (typeof runs === 'string') return runs;
    if (name.startsWith(OURS) || ours === undefined || typeof ours === 'string') return figure(runs);
    return `${figure(runs)} ${compare(ours, runs)}`;
  });
}
const middle = <T>(runs: readonly T[], of: (run: T) => number): number => median(runs.map(of));
const paired = <T>(ours: readonly T[], theirs: readonly T[], of: (run: T) => number): string =>
  ratio(pairedRatio(ours.map(of), theirs.map(of)));
const head = (columns: readonly Column[], what: string): string[] => [what, ...columns.map(({ title }) => title)];

/** Flows and drains: deliveries per second. Empty without such rows. */
export function flowTable(columns: readonly Column[], rows: readonly Row[]): string {
  const lines: string[][] = [];
  for (const { spec, results } of rows) {
    if (spec.kind !== 'flow' && spec.kind !== 'drain') continue;
    const line = cells(
      columns,
      results as ReadonlyMap<string, Results<FlowMeasured>>,
      (runs) => `${rate(middle(runs, wall))} (${middle(runs, cpu).toFixed(2)})`,
      (ours, theirs) => `**×${paired(ours, theirs, wall)}** ×${paired(theirs, ours, cpu)}`,
    );
    lines.push([spec.name, ...line]);
  }
  if (lines.length === 0) return '';
  const legend =
    'Deliveries per second (CPU µs of the server per delivery); **×** = ours ÷ theirs in wall clock, then theirs ÷ ours in ' +
    'CPU. A run in which a message is lost has no figure.';
  return `${legend}\n\n${table(head(columns, 'scenario'), lines)}`;
}
const wall = (run: FlowMeasured): number => run.deliveriesPerSecond;
const cpu = (run: FlowMeasured): number => run.cpuMicrosPerDelivery;

/** Percentiles at a steady rate. Empty without such rows. */
export function latencyTable(columns: readonly Column[], rows: readonly Row[]): string {
  const lines: string[][] = [];
  for (const { spec, results } of rows) {
    if (spec.kind !== 'latency') continue;
    const all = results as ReadonlyMap<string, Results<LatencyMeasured>>;
    const line = cells(columns, all, percentiles, (ours, theirs) => {
      const p50 = paired(ours, theirs, ({ p50Micros }) => p50Micros);
      return `**×${p50}** ×${paired(ours, theirs, ({ p99Micros }) => p99Micros)}`;
    });
    lines.push([spec.name, ...line, loopDelay(all.get(OURS) ?? '-')]);
  }
  if (lines.length === 0) return '';
  const legend =
    'µs from when a message was due to its arrival, p50 / p99 / p99.9 (CPU µs of the server per delivery); **×** = ours ÷ ' +
    'theirs at p50, then at p99: less is better. The last column is the 99.9th percentile of how late our event loop was.';
  return `${legend}\n\n${table([...head(columns, 'steady rate, 256 B'), 'our event loop p99.9'], lines)}`;
}
function percentiles(runs: readonly LatencyMeasured[]): string {
  const each = [
    middle(runs, ({ p50Micros }) => p50Micros),
    middle(runs, ({ p99Micros }) => p99Micros),
    middle(runs, ({ p999Micros }) => p999Micros),
  ];
  const cost = middle(runs, ({ cpuMicrosPerDelivery }) => cpuMicrosPerDelivery).toFixed(1);
  return `${each.map((micros) => micros.toFixed(0)).join(' / ')} (${cost})`;
}
function loopDelay(runs: Results<LatencyMeasured>): string {
  if (typeof runs === 'string') return '-';
  const told = runs.flatMap(({ loopP999Ms }) => (loopP999Ms === null ? [] : [loopP999Ms]));
  return told.length === 0 ? '-' : `${median(told).toFixed(1)} ms`;
}

/** Connections: how fast they come, what they cost, and what a process costs without any. Empty without such rows. */
export function connectionTable(columns: readonly Column[], rows: readonly Row[]): string {
  const lines: string[][] = [];
  for (const { spec, results } of rows) {
    if (spec.kind === 'storm') {
      const line = cells(
        columns,
        results as ReadonlyMap<string, Results<StormMeasured>>,
        (runs) => `${rate(middle(runs, speed))}/s (${middle(runs, cost).toFixed(0)} µs)`,
        (ours, theirs) => `**×${paired(ours, theirs, speed)}** ×${paired(theirs, ours, cost)}`,
      );
      lines.push([spec.name, ...line]);
    } else if (spec.kind === 'idle') {
      const all = results as ReadonlyMap<string, Results<IdleMeasured>>;
      const row = (figure: (runs: readonly IdleMeasured[]) => string, of: (run: IdleMeasured) => number): string[] =>
        cells(columns, all, figure, (ours, theirs) => `**×${paired(theirs, ours, of)}**`);
      const each = (run: IdleMeasured): number => run.bytesPerConnection;
      const base = (run: IdleMeasured): number => run.baseKib;
      lines.push([spec.name, ...row((runs) => `${(middle(runs, each) / 1024).toFixed(1)} KiB`, each)]);
      if (!spec.tls)
        lines.push([
          'fresh process, resident',
          ...row((runs) => `${(middle(runs, base) / 1024).toFixed(0)} MiB`, base),
        ]);
    }
  }
  if (lines.length === 0) return '';
  const legend =
    'Connections per second that log in and go (CPU µs of the server for each); **×** = ours ÷ theirs in wall clock, then ' +
    'theirs ÷ ours in CPU. Memory is what the process holds more for each connection that has subscribed and says nothing; ' +
    '**×** = theirs ÷ ours.';
  return `${legend}\n\n${table(head(columns, 'connections'), lines)}`;
}
const speed = (run: StormMeasured): number => run.connectionsPerSecond;
const cost = (run: StormMeasured): number => run.cpuMicrosPerConnection;
