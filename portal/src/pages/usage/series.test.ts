import { describe, expect, it } from 'vitest';
import { seriesOf, totalsOf } from './series.ts';

const window = (
  minute: number,
  quantity: string,
  protocol: 'mqtt' | 'kafka' = 'mqtt',
  meter: 'messages_in' | 'egress_bytes' = 'messages_in',
) => ({
  clusterId: 'c',
  protocol,
  meter,
  start: new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString(),
  quantity,
});
const usage = {
  from: '2026-01-01T00:00:00Z',
  to: '2026-01-01T00:05:00Z',
  granularity: 'minute' as const,
  windows: [window(1, '5'), window(1, '2'), window(3, '7', 'kafka'), window(2, '9', 'mqtt', 'egress_bytes')],
};

describe('usage series', () => {
  it('has one point a window, zero where nothing was used', () => {
    const series = seriesOf(usage, 'messages_in');
    expect(series.times).toHaveLength(5);
    expect(series.times[0]).toBe(Date.UTC(2026, 0, 1) / 1000);
    expect(series.lines).toEqual([
      { protocol: 'kafka', values: [0, 0, 0, 7, 0] },
      { protocol: 'mqtt', values: [0, 7, 0, 0, 0] },
    ]);
  });

  it('stays bounded', () => {
    expect(seriesOf({ ...usage, from: '2000-01-01T00:00:00Z' }, 'messages_in').times.length).toBe(3_000);
  });

  it('has a point for each month, however long it is', () => {
    const months = { from: '2026-01-01T00:00:00Z', to: '2026-04-01T00:00:00Z', granularity: 'month' as const };
    const windows = [{ ...window(0, '3'), start: '2026-03-01T00:00:00.000Z' }];
    const series = seriesOf({ ...months, windows }, 'messages_in');
    expect(series.times).toEqual([0, 1, 2].map((month) => Date.UTC(2026, month) / 1000));
    expect(series.lines).toEqual([{ protocol: 'mqtt', values: [0, 0, 3] }]);
  });

  it('adds up exactly beyond what a double holds', () => {
    const totals = totalsOf([window(1, '9007199254740993'), window(2, '1')]);
    expect(totals.get('messages_in')?.get('mqtt')).toBe(9_007_199_254_740_994n);
  });
});
