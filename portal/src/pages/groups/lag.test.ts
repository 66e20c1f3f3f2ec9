import { describe, expect, it } from 'vitest';
import { assignedText, lagOf, offsetsOf, resetTarget, topicsOf, type Group } from './lag.ts';

const offset = (topic: string, partition: number, lag: number): Group['offsets'][number] => {
  return { topic, partition, offset: 10, endOffset: 10 + lag, lag };
};
const group: Group = {
  ...{ name: 'g', state: 'Stable', protocolType: 'consumer', members: [] },
  offsets: [offset('b', 0, 3), offset('a', 0, 0), offset('b', 1, 4)],
};

describe('a consumer group', () => {
  it('has a lag over all partitions, and topics', () => {
    expect(lagOf(group)).toBe(7);
    expect(topicsOf(group)).toEqual(['a', 'b']);
    expect(offsetsOf(group).map(({ topic, partition }) => `${topic} ${partition}`)).toEqual(['a 0', 'b 0', 'b 1']);
    expect(lagOf({ ...group, offsets: [] })).toBe(0);
  });
  it('names what a member reads, and counts it where that is much', () => {
    const assigned = [0, 2].map((partition) => ({ topic: 'orders', partition }));
    const member = { memberId: 'm', clientId: 'c', host: 'h', partitions: 2, assigned };
    expect(assignedText({ ...member, assigned: [...assigned, { topic: 'a', partition: 1 }] })).toBe('orders 0, 2; a 1');
    const many = Array.from({ length: 9 }, (_, partition) => ({ topic: 'orders', partition }));
    expect(assignedText({ ...member, partitions: 9, assigned: many })).toBe('9');
    expect(assignedText({ ...member, assigned: undefined })).toBe('2');
  });
  it('is moved only to what makes sense', () => {
    expect(resetTarget('earliest', '', '')).toBe('earliest');
    expect(resetTarget('offset', '', 17)).toBe(17);
    expect(resetTarget('offset', '', '')).toBeUndefined();
    expect(resetTarget('offset', '', -1)).toBeUndefined();
    expect(resetTarget('time', '', 0)).toBeUndefined();
    expect(resetTarget('time', 'yesterday', 0)).toBeUndefined();
    expect(resetTarget('time', '2026-01-02T03:04', 0)).toBe(new Date('2026-01-02T03:04').toISOString());
  });
});
