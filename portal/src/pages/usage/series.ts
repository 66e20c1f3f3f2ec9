import type { Usage } from '@robustmq/client';

type Window = Usage['windows'][number];
export type Meter = Window['meter'];

const STEP_SECONDS = { minute: 60, hour: 3_600, day: 86_400 } as const;
type Granularity = keyof typeof STEP_SECONDS | 'month';
/** Points of one line; a longer range than this is cut at its beginning. */
const POINTS_MAX = 3_000;

/** What a chart draws: times in seconds, and one line for each protocol. */
export interface Series {
  readonly times: number[];
  readonly lines: readonly { readonly protocol: Window['protocol']; readonly values: number[] }[];
}

/** Beginnings of the steps between two times, in seconds; the last `POINTS_MAX` of them. */
function stepsOf(from: string, to: string, granularity: Granularity): number[] {
  if (granularity === 'month') {
    const first = new Date(from);
    const months: number[] = [];
    for (let n = 0; n < POINTS_MAX; n++) {
      const start = Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + n);
      if (start >= Date.parse(to)) break;
      months.push(start / 1000);
    }
    return months;
  }
  const step = STEP_SECONDS[granularity];
  const end = (Math.ceil(Date.parse(to) / 1000 / step) - 1) * step;
  const start = Math.max(Math.floor(Date.parse(from) / 1000 / step) * step, end - (POINTS_MAX - 1) * step);
  return Array.from({ length: Math.max(0, (end - start) / step + 1) }, (_, index) => start + index * step);
}

interface Windows {
  readonly from: string;
  readonly to: string;
  readonly granularity: Granularity;
  readonly windows: readonly Window[];
}

/**
 * Adds up the windows of one meter by protocol and time. Times without usage are zero: nothing was counted. Values are
 * rounded to doubles, for drawing only.
 */
export function seriesOf(usage: Windows, meter: Meter): Series {
  const times = stepsOf(usage.from, usage.to, usage.granularity);
  const places = new Map(times.map((time, index) => [time, index]));
  const byProtocol = new Map<Window['protocol'], number[]>();
  for (const window of usage.windows) {
    if (window.meter !== meter) continue;
    const index = places.get(Date.parse(window.start) / 1000);
    if (index === undefined) continue;
    const values = byProtocol.get(window.protocol) ?? new Array<number>(times.length).fill(0);
    byProtocol.set(window.protocol, values);
    values[index]! += Number(window.quantity);
  }
  return {
    times,
    lines: [...byProtocol]
      .map(([protocol, values]) => ({ protocol, values }))
      .sort((a, b) => a.protocol.localeCompare(b.protocol)),
  };
}

/** Exact sums of the windows: meter → protocol → quantity. */
export function totalsOf(windows: readonly Window[]): Map<Meter, Map<Window['protocol'], bigint>> {
  const totals = new Map<Meter, Map<Window['protocol'], bigint>>();
  for (const { meter, protocol, quantity } of windows) {
    const of = totals.get(meter) ?? new Map<Window['protocol'], bigint>();
    totals.set(meter, of);
    of.set(protocol, (of.get(protocol) ?? 0n) + BigInt(quantity));
  }
  return totals;
}
