import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SHARE_NAMES_MAX, UsageShares, type Meter } from '@robustmq/contracts/data-plane';
import { namesPerList, sharesOf, type ShareDeltas } from './usage-share-lists.ts';

const delta = (name: string, of: Partial<ShareDeltas['credential'][number]> = {}) => ({
  ...{ name, messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0, connectionMs: 0 },
  ...of,
});
const by = (...credential: ShareDeltas['credential']): ShareDeltas => ({ credential, topic_prefix: [] });

describe('shares of a window', () => {
  it('are the largest names first, and nothing that was not counted', () => {
    const deltas = by(delta('a', { bytesIn: 5 }), delta('b', { bytesIn: 9 }), delta('c', { bytesOut: 1 }));
    expect(sharesOf('ingress_bytes', 14n, deltas, 20)).toEqual({
      credential: [
        ['b', '9'],
        ['a', '5'],
      ],
    });
    expect(sharesOf('ingress_bytes', 14n, deltas, 1)).toEqual({ credential: [['b', '9']] });
    expect(sharesOf('messages_in', 14n, deltas, 20)).toBeUndefined();
    expect(sharesOf('warm_byte_seconds', 14n, deltas, 20)).toBeUndefined();
  });

  it('of time give whole seconds, together those of the window', () => {
    const one = by(delta('a', { connectionMs: 59_998 }));
    expect(sharesOf('connection_seconds', 60n, one, 20)).toEqual({ credential: [['a', '60']] });
    expect(sharesOf('connection_seconds', 59n, one, 20)).toEqual({ credential: [['a', '59']] });
    const three = by(...['a', 'b', 'c'].map((name) => delta(name, { connectionMs: 20_700 })));
    expect(sharesOf('connection_seconds', 62n, three, 20)).toEqual({
      credential: [
        ['a', '21'],
        ['b', '21'],
        ['c', '20'],
      ],
    });
  });

  it('are never more than the window’s value, and fit the contract', () => {
    const counter = fc.integer({ min: 0, max: 100_000 });
    const row = fc.record({ bytesIn: counter, connectionMs: counter });
    const meter = fc.constantFrom<Meter>('ingress_bytes', 'connection_seconds');
    fc.assert(
      fc.property(fc.array(row, { maxLength: 40 }), meter, fc.bigInt(0n, 500_000n), (rows, which, value) => {
        const deltas = by(...rows.map((one, n) => delta(`name-${n}`, one)));
        const shares = sharesOf(which, value, deltas, namesPerList(rows.length));
        if (shares === undefined) return;
        expect(UsageShares.safeParse(shares).success).toBe(true);
        const sum = shares.credential!.reduce((all, [, part]) => all + BigInt(part), 0n);
        expect(sum <= value).toBe(true);
      }),
    );
  });

  it('are fewer on a node of many clusters', () => {
    expect(namesPerList(1)).toBe(SHARE_NAMES_MAX);
    expect(namesPerList(100)).toBe(20);
    expect(namesPerList(400)).toBe(5);
    expect(namesPerList(100_000)).toBe(3);
  });
});
