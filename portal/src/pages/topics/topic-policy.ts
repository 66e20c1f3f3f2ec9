import type { Topic } from '@robustmq/client';
import type { UpdateTopicBody } from '@robustmq/contracts';
import type { Sent } from '../../api/sent.ts';
import { spanText } from '../clients/session-text.ts';

/** A change of a topic as it is sent. */
export type TopicChange = Sent<UpdateTopicBody>;
type Cleanup = NonNullable<UpdateTopicBody['cleanup']>;

const DAY_MS = 86_400_000;
const GIB = 2 ** 30;
const HOUR_MS = 3_600_000;

/** How long records are kept; `-1` = for ever. */
export const RETENTION = [
  { value: String(DAY_MS), label: '1 day' },
  { value: String(7 * DAY_MS), label: '7 days' },
  { value: String(30 * DAY_MS), label: '30 days' },
  { value: '-1', label: 'For ever' },
];
export const CLEANUP: readonly { value: Cleanup; label: string }[] = [
  { value: 'delete', label: 'Delete what is too old' },
  { value: 'compact', label: 'Compact: keep the last record of each key' },
  { value: 'compact,delete', label: 'Compact, and delete what is too old' },
];

/** What can be changed of a topic, in the units of its form; an empty field limits nothing. */
export interface PolicyValues {
  partitions: number;
  retentionMs: string;
  retentionGib: number | string;
  cleanup: Cleanup;
  hotMib: number | string;
  coldAfterHours: number | string;
  coldAfterGib: number | string;
}

const inUnits = (amount: number | undefined, unit: number): number | '' =>
  amount === undefined || amount < 0 ? '' : Math.round((amount / unit) * 1_000) / 1_000;
const amountOf = (value: number | string, unit: number): number | undefined =>
  typeof value === 'number' ? Math.round(value * unit) : undefined;

/** A topic's form. */
export const policyOf = (topic: Topic): PolicyValues => ({
  partitions: topic.partitions,
  retentionMs: String(topic.retentionMs ?? 7 * DAY_MS),
  retentionGib: inUnits(topic.retentionBytes, GIB),
  cleanup: topic.cleanup ?? 'delete',
  hotMib: inUnits(topic.tier?.hotBytes, 2 ** 20),
  coldAfterHours: inUnits(topic.tier?.coldAfterMs, HOUR_MS),
  coldAfterGib: inUnits(topic.tier?.coldAfterBytes, GIB),
});

/** The offered retentions, and the topic's own where it is none of them. */
export function retentionOptions(retentionMs: string): { value: string; label: string }[] {
  if (RETENTION.some(({ value }) => value === retentionMs)) return RETENTION;
  return [...RETENTION, { value: retentionMs, label: spanText(Math.round(Number(retentionMs) / 1_000)) }];
}

/** The tiers a form asks for; what the form has no field for stays as it was. */
function tierOf(topic: Topic, values: PolicyValues): NonNullable<TopicChange['tier']> {
  const { hotBytes: _hot, coldAfterMs: _ms, coldAfterBytes: _bytes, ...others } = topic.tier ?? {};
  const hotBytes = amountOf(values.hotMib, 2 ** 20);
  const coldAfterMs = amountOf(values.coldAfterHours, HOUR_MS);
  const coldAfterBytes = amountOf(values.coldAfterGib, GIB);
  return {
    ...others,
    ...(hotBytes === undefined ? {} : { hotBytes }),
    ...(coldAfterMs === undefined ? {} : { coldAfterMs }),
    ...(coldAfterBytes === undefined ? {} : { coldAfterBytes }),
  };
}

/** What a form changes; empty = nothing. */
export function policyChange(topic: Topic, values: PolicyValues): TopicChange {
  const before = policyOf(topic);
  const tierChanged = (['hotMib', 'coldAfterHours', 'coldAfterGib'] as const).some(
    (name) => before[name] !== values[name],
  );
  return {
    ...(values.partitions === topic.partitions ? {} : { partitions: values.partitions }),
    ...(values.retentionMs === before.retentionMs ? {} : { retentionMs: Number(values.retentionMs) }),
    ...(values.retentionGib === before.retentionGib
      ? {}
      : { retentionBytes: amountOf(values.retentionGib, GIB) ?? -1 }),
    ...(values.cleanup === before.cleanup ? {} : { cleanup: values.cleanup }),
    ...(tierChanged ? { tier: tierOf(topic, values) } : {}),
  };
}

/** How long records are kept, in words. */
export function retentionText(retentionMs: number | undefined): string {
  if (retentionMs === undefined) return '–';
  return retentionMs < 0
    ? 'For ever'
    : (retentionOptions(String(retentionMs)).find(({ value }) => value === String(retentionMs))?.label ?? '');
}
