import type { Topic } from '@robustmq/client';
import { UpdateTopicBody } from '@robustmq/contracts';
import { describe, expect, it } from 'vitest';
import { policyChange, policyOf, retentionOptions, retentionText } from './topic-policy.ts';

const topic: Topic = {
  ...{ name: 'orders', partitions: 2, origin: 'api', ready: true, storedBytes: 0 },
  ...{ retentionMs: 604_800_000, retentionBytes: -1, cleanup: 'delete' },
  tier: { coldAfterMs: 7_200_000, warmIdleMs: 5 },
};

describe('the policy of a topic', () => {
  it('is unchanged by a form that was not touched', () => {
    expect(policyChange(topic, policyOf(topic))).toEqual({});
    expect(
      policyChange({ ...topic, retentionBytes: 2 ** 30 }, policyOf({ ...topic, retentionBytes: 2 ** 30 })),
    ).toEqual({});
  });
  it('is changed only where the form was, in the contract’s units', () => {
    const change = policyChange(topic, { ...policyOf(topic), partitions: 4, retentionGib: 1.5, cleanup: 'compact' });
    expect(change).toEqual({ partitions: 4, retentionBytes: 1.5 * 2 ** 30, cleanup: 'compact' });
    expect(UpdateTopicBody.parse(change)).toEqual(change);
  });
  it('keeps tier limits the form does not show, and takes off those that were emptied', () => {
    expect(policyChange(topic, { ...policyOf(topic), hotMib: 8 })).toEqual({
      tier: { coldAfterMs: 7_200_000, warmIdleMs: 5, hotBytes: 8 * 2 ** 20 },
    });
    expect(policyChange(topic, { ...policyOf(topic), coldAfterHours: '' })).toEqual({ tier: { warmIdleMs: 5 } });
  });
  it('offers a retention that is not on the list', () => {
    expect(retentionOptions('3600000').at(-1)).toEqual({ value: '3600000', label: '1 hour' });
    expect(retentionText(86_400_000)).toBe('1 day');
    expect(retentionText(-1)).toBe('For ever');
  });
});
