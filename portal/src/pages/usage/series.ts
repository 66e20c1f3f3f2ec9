import type { Usage } from '@robustmq/client';

type Window = Usage['windows'][number];
export type Meter = Window['meter'];

const STEP_SECONDS = { minute: 60, hour: 3_600, day: 86_400 } as const;
/** Points of one line; a longer range than this is cut at its beginning. */
const POINTS_MAX = 3_000;

/** What a chart draws: times in seconds, and one line for each protocol. */
export interface Series {
  readonly times: number[];
  readonly lines: readonly { readonly protocol: Window['protocol']; readonly values: number[] }[];
}

/**
 * Adds up the windows of one meter by protocol and time. Times without usage are zero: nothing was counted. Values are
 * rounded to doubles, for drawing only.
 */
export function seriesOf(usage: Pick<Usage, 'from' | 'to' | 'granularity' | 'windows'>, meter: Meter): Series {
  const step = STEP_SECONDS[usage.granularity];
  const end = (Math.ceil(Date.parse(usage.to) / 1000 / step) - 1) * step;
  const start = Math.max(Math.floor(Date.parse(usage.from) / 1000 / step) * step, end - (POINTS_MAX - 1) * step);
  const length = Math.max(0, (end - start) / step + 1);
  const byProtocol = new Map<Window['protocol'], number[]>();
  for (const window of usage.windows) {
    if (window.meter !== meter) continue;
    const index = Math.floor((Date.parse(window.start) / 1000 - start) / step);
    if (index < 0 || index >= length) continue;
    const values = byProtocol.get(window.protocol) ?? new Array<number>(length).fill(0);
    byProtocol.set(window.protocol, values);
    values[index]! += Number(window.quantity);
  }
  return {
    times: Array.from({ length }, (_, index) => start + index * step),
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
