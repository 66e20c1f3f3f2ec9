import { Quotas } from '@robustmq/contracts';
import { describe, expect, it } from 'vitest';
import { QUOTA_NAMES, quotaOf, quotasOf, quotaText } from './quota-text.ts';

describe('limits as people write them', () => {
  it('names all of them', () => {
    expect([...QUOTA_NAMES].sort()).toEqual(Object.keys(Quotas.shape).sort());
  });
  it('reads units where a limit is in bytes', () => {
    expect(quotaOf('storageBytesMax', '1.5 GiB')).toBe(1.5 * 2 ** 30);
    expect(quotaOf('storageBytesMax', '1024')).toBe(1024);
    expect(quotaOf('topicsMax', '1,000')).toBe(1_000);
    expect(quotaOf('topicsMax', '5 GiB')).toBeUndefined();
    expect(quotaOf('topicsMax', '1.5')).toBeUndefined();
    expect(quotaOf('storageBytesMax', 'much')).toBeUndefined();
    for (const bytes of [2 ** 20, 512 * 2 ** 20, 20 * 2 ** 30])
      expect(quotaOf('inboxBytesMax', quotaText('inboxBytesMax', bytes))).toBe(bytes);
  });
  it('leaves out what is empty, and refuses the form for one that is wrong', () => {
    expect(quotasOf({ topicsMax: '7', storageBytesMax: ' ' })).toEqual({ topicsMax: 7 });
    expect(quotasOf({ topicsMax: 'x' })).toBeUndefined();
  });
});
