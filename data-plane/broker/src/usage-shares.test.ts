import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NamespaceShares, shareName, ShareTable, TOPIC_SHARES_MAX, topicPrefix } from './usage-shares.ts';

describe('names of shares', () => {
  it.each([
    ['sensors/1/temp', 'sensors'],
    ['sensors.1.temp', 'sensors'],
    ['plain', 'plain'],
    ['/leading', '/'],
    ['.leading', '.'],
    ['$SYS/brokers', '$SYS'],
    ['', '(none)'],
  ])('of %j is %j', (topic, prefix) => expect(topicPrefix(topic)).toBe(prefix));

  it('are at most 48 bytes long, cut between characters, and never empty', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        const name = shareName(text);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(48);
        expect(name).not.toBe('');
        if (Buffer.byteLength(text) <= 48 && text !== '') expect(name).toBe(text);
        else if (text !== '') expect(text.startsWith(name.slice(0, -1))).toBe(true);
      }),
    );
  });
});

describe('ShareTable', () => {
  it('tells what was counted since it was last asked, and connections by the time they were open', () => {
    const table = new ShareTable(10);
    const ada = table.of('ada');
    ada.opened(1_000);
    ada.messagesIn += 2;
    ada.bytesIn += 20;
    expect(table.take(4_000)).toEqual([
      { name: 'ada', messagesIn: 2, messagesOut: 0, bytesIn: 20, bytesOut: 0, connectionMs: 3_000 },
    ]);
    ada.closed(4_500);
    expect(table.take(9_000)).toMatchObject([{ messagesIn: 0, connectionMs: 500 }]);
    expect(table.take(9_000)).toEqual([]);
    expect(ada.isLost).toBe(true);
  });

  it('stays within its size; who found no room finds it once others were idle', () => {
    const table = new ShareTable(2);
    const [one, two] = [table.of('one'), table.of('two')];
    const outside = table.of('three');
    expect(table.of('four')).toBe(outside);
    for (const share of [one, two, outside]) share.bytesOut += 5;
    expect(table.take(0).map(({ name }) => name)).toEqual(['one', 'two']);
    one.bytesOut += 1;
    outside.bytesOut += 7;
    expect(table.take(0).map(({ name }) => name)).toEqual(['one']);
    expect([one.isLost, two.isLost, outside.isLost]).toEqual([false, true, true]);
    expect(table.of('three').name).toBe('three');
  });

  it('of topics asks for nothing new while a topic goes on, and survives more prefixes than it holds', () => {
    const shares = new NamespaceShares();
    const first = shares.ofTopic('mqtt', 'a/1');
    expect(shares.ofTopic('mqtt', 'a/1')).toBe(first);
    expect(shares.ofTopic('mqtt', 'a.2')).toBe(first);
    expect(shares.ofTopic('kafka', 'a/1')).not.toBe(first);
    for (let n = 0; n < 3 * TOPIC_SHARES_MAX; n++) shares.ofTopic('mqtt', `t${n}/x`).messagesIn++;
    expect(shares.take('mqtt', 0).topic_prefix.length).toBe(TOPIC_SHARES_MAX - 1);
  });
});
