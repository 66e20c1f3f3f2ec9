import { forecastTiers, type TierFacts, type TierRule } from '@robustmq/contracts';
import { BatchBuilder, Journal, type StreamName } from '@robustmq/journal';
import { MemoryLogStore, MemoryObjectStore } from '@robustmq/store';
import { ManualRuntime } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';

const NAME = 'ns2:n19:partition4:abcd1:0' as StreamName;
const START_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const OBJECT_BYTES = 65_536;
const KEPT = { retentionMs: 2.5 * DAY_MS, retentionBytes: -1 };
const EVERY_MS = 120_000;
const DAYS_BEFORE = 2;
const DAYS = 2;

/** What the journal's own meters count while a topic that is `DAYS_BEFORE` old lives on for `DAYS`. */
async function measured(tier: TierRule, recordBytes: number) {
  const runtime = new ManualRuntime({ autoTurn: true, startMs: START_MS });
  const objects = new MemoryObjectStore();
  const journal = new Journal({ store: new MemoryLogStore(), runtime, objects, objectBytes: OBJECT_BYTES });
  const { coldAfterMs, coldAfterBytes } = tier;
  const policy = {
    ...(coldAfterMs === undefined ? {} : { coldAfterMs }),
    ...(coldAfterBytes === undefined ? {} : { coldAfterBytes }),
  };
  const moves = Object.keys(policy).length === 0 ? {} : { tier: policy };
  const stream = await journal.open(NAME, { durability: 'flushed', ...KEPT, ...moves });
  const builder = new BatchBuilder();
  let [warm, cold, stored, requestsBefore] = [0, 0, 0, 0];
  for (let ageMs = 0; ageMs < (DAYS_BEFORE + DAYS) * DAY_MS; ageMs += EVERY_MS) {
    runtime.advance(START_MS + ageMs - runtime.nowMs());
    builder.add(null, Buffer.alloc(recordBytes, 7), null, runtime.nowMs());
    await stream.append(builder.build()).promise();
    await journal.enforceRetention(runtime.nowMs());
    await journal.runTiering(runtime.nowMs());
    const { warmBytes, coldBytes, objectRequests } = stream.meter;
    if (ageMs === DAYS_BEFORE * DAY_MS) [stored, requestsBefore] = [warmBytes + coldBytes, objectRequests];
    if (ageMs < DAYS_BEFORE * DAY_MS) continue;
    warm += (warmBytes * EVERY_MS) / 1000;
    cold += (coldBytes * EVERY_MS) / 1000;
  }
  return { warm, cold, requests: stream.meter.objectRequests - requestsBefore, stored };
}

/** N10: what is forecast for a tier policy is within 10 % of what the journal is metered at. */
describe('forecastTiers against the journal', { timeout: 120_000 }, () => {
  it.each([
    ['everything stays on disk', {}, 200],
    ['cold after an hour, small objects that are merged', { coldAfterMs: HOUR_MS }, 200],
    ['cold after a day', { coldAfterMs: DAY_MS }, 2_000],
    ['cold beyond a size', { coldAfterBytes: 500_000 }, 2_000],
    ['cold after two hours, objects that fill', { coldAfterMs: 2 * HOUR_MS }, 14_000],
  ] as const)('%s', async (_, rule: TierRule, recordBytes) => {
    const { warm, cold, requests, stored } = await measured(rule, recordBytes);
    const bytesPerSecond = (stored * 1000) / (DAYS_BEFORE * DAY_MS);
    const facts: TierFacts = { bytesPerSecond, storedBytes: stored, partitions: 1, ...KEPT };
    const span = { seconds: (DAYS * DAY_MS) / 1000, objectBytes: OBJECT_BYTES };
    const forecast = forecastTiers(facts, rule, span);
    const isNear = (told: bigint, real: number): void =>
      expect(Math.abs(Number(told) - real), `${told} told, ${real} measured`).toBeLessThanOrEqual(real * 0.1);
    isNear(forecast.warmByteSeconds, warm);
    isNear(forecast.coldByteSeconds, cold);
    isNear(forecast.objectRequests, requests);
  });

  it('tells nothing of a topic without records, and multiplies by partitions', () => {
    const empty: TierFacts = { bytesPerSecond: 0, storedBytes: 0, partitions: 0, retentionMs: -1, retentionBytes: -1 };
    expect(forecastTiers(empty, {}, { seconds: 60 })).toEqual({
      ...{ warmByteSeconds: 0n, coldByteSeconds: 0n, objectRequests: 0n },
    });
    const one: TierFacts = { ...empty, bytesPerSecond: 1000, storedBytes: 1e6, partitions: 1 };
    const four: TierFacts = { ...one, bytesPerSecond: 4000, storedBytes: 4e6, partitions: 4 };
    const [single, fourfold] = [one, four].map((facts) =>
      forecastTiers(facts, { coldAfterMs: 1e5 }, { seconds: 3600 }),
    );
    expect(fourfold!.warmByteSeconds).toBe(single!.warmByteSeconds * 4n);
    expect(fourfold!.objectRequests).toBeGreaterThan(single!.objectRequests * 3n);
  });
});
