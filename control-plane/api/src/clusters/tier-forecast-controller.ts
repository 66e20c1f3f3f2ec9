import { Controller } from '@nestjs/common';
import {
  forecastTiers,
  StoragePrices,
  type NodeViewReply,
  type TierFacts,
  type TierRule,
  type TierSettings,
} from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import { AgentViews } from '../agents/agent-views.ts';
import { BillingLink } from '../billing/billing-link.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { existingCluster } from './cluster-change.ts';
import { existingTopic } from './topics-controller.ts';

const DAYS = 30;
const DAY_MS = 86_400_000;
/** Partitions whose oldest record is looked at; the pace of the others is taken to be theirs. */
const PARTITIONS_SAMPLED_MAX = 8;
/** A topic younger than this says nothing about its pace yet; it is taken to be this old. */
const AGE_MS_MIN = 60_000;

const NOTES = [
  'Records are taken to go on arriving at the pace seen since the oldest one.',
  'List prices, before any free allowance; reads of cold data and compaction are not foreseen.',
];

interface Option {
  readonly kind: 'present' | 'disk' | 'cold-after';
  readonly coldAfterDays: number | null;
  readonly rule: TierRule;
}

/** What a topic's storage would cost under other tier policies. */
@Controller()
export class TierForecastController {
  readonly #database: Database;
  readonly #views: AgentViews;
  readonly #billing: BillingLink;
  constructor(database: Database, views: AgentViews, billing: BillingLink) {
    this.#database = database;
    this.#views = views;
    this.#billing = billing;
  }

  @Route('forecastTopicTiers')
  async forecast(
    @Input() { params, query }: RouteInput<'forecastTopicTiers'>,
  ): Promise<RouteOutput<'forecastTopicTiers'>> {
    const { topicName } = params;
    const { plan, topic } = await this.#database.withTenant(params.tenantId, async (tx) => {
      const cluster = await existingCluster(tx, params.clusterId);
      return { plan: cluster.plan, topic: await existingTopic(tx, cluster, topicName) };
    });
    const { partitions } = await this.#views.ask(params, 'topic-tiers', { topic: topicName });
    const seen = await this.#pace(params, topicName, partitions);
    const facts: TierFacts = {
      ...{ bytesPerSecond: seen.bytesPerSecond, storedBytes: seen.storedBytes, partitions: partitions.length },
      ...{ retentionMs: topic.retentionMs ?? -1, retentionBytes: topic.retentionBytes ?? -1 },
    };
    const options = optionsOf(topic.tier, query.cold_after_days);
    const quantities = options.map(({ rule }) => {
      const { warmByteSeconds, coldByteSeconds, objectRequests } = forecastTiers(facts, rule, {
        seconds: (DAYS * DAY_MS) / 1000,
      });
      return {
        warmByteSeconds: warmByteSeconds.toString(),
        coldByteSeconds: coldByteSeconds.toString(),
        objectRequests: objectRequests.toString(),
      };
    });
    const path = `/internal/tenants/${params.tenantId}/storage-prices`;
    const answer = await this.#billing.ask({ method: 'POST', path, body: { plan, options: quantities } });
    const { amounts } = StoragePrices.parse(answer);
    return {
      ...{ topic: topicName, days: DAYS, notes: NOTES },
      observed: {
        storedBytes: seen.storedBytes,
        bytesPerDay: Math.round((seen.bytesPerSecond * DAY_MS) / 1000),
        since: seen.sinceMs === null ? null : new Date(seen.sinceMs).toISOString(),
        partitions: partitions.length,
      },
      options: options.map(({ kind, coldAfterDays }, index) => {
        return { kind, coldAfterDays, ...quantities[index]!, amount: amounts[index]! };
      }),
    };
  }

  /** Bytes stored per second since the oldest record, from the partitions that have any. */
  async #pace(
    params: RouteInput<'forecastTopicTiers'>['params'],
    topic: string,
    partitions: NodeViewReply<'topic-tiers'>['partitions'],
  ): Promise<{ storedBytes: number; bytesPerSecond: number; sinceMs: number | null }> {
    const storedBytes = partitions.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const filled = partitions.filter(({ sizeBytes }) => sizeBytes > 0);
    const sampled = filled.slice(0, PARTITIONS_SAMPLED_MAX);
    const nowMs = Date.now();
    let [sampledBytes, pace] = [0, 0];
    let sinceMs: number | null = null;
    for (const { partition, startOffset, sizeBytes } of sampled) {
      const asked = { topic, partition, fromOffset: startOffset, limit: 1, valueBytesMax: 0 };
      const oldest = (await this.#views.ask(params, 'records', asked)).items[0];
      if (oldest === undefined) continue;
      // clients may write any time into a record: one of the future is taken to be of now
      const atMs = Math.min(Date.parse(oldest.timestamp), nowMs);
      sinceMs = Math.min(sinceMs ?? atMs, atMs);
      sampledBytes += sizeBytes;
      pace += (sizeBytes * 1000) / Math.max(AGE_MS_MIN, nowMs - atMs);
    }
    const bytesPerSecond = sampledBytes === 0 ? 0 : (pace * storedBytes) / sampledBytes;
    return { storedBytes, bytesPerSecond, sinceMs };
  }
}

function optionsOf(tier: TierSettings | undefined, days: string): Option[] {
  const { coldAfterMs, coldAfterBytes } = tier ?? {};
  const asked = [...new Set(days.split(',').map(Number))].sort((a, b) => a - b);
  return [
    { kind: 'present', coldAfterDays: null, rule: { coldAfterMs, coldAfterBytes } },
    { kind: 'disk', coldAfterDays: null, rule: {} },
    ...asked.map((count): Option => {
      return { kind: 'cold-after', coldAfterDays: count, rule: { coldAfterMs: count * DAY_MS } };
    }),
  ];
}
