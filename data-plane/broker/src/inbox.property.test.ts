import { Commit } from '@robustmq/journal';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SessionInbox, type InboxJournal } from './inbox.ts';
import { readEvent } from './inbox-event.ts';
import { WireError } from '@robustmq/wire';
import type { RecordSource } from './record-source.ts';

interface Model {
  readonly sequence: number;
  readonly offset: number;
  state: 'owed' | 'received' | 'done';
  taken: boolean;
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('owe' as const), count: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), at: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('receive' as const), at: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'rewind' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'drop' as const }) },
);

it('behaves as a list of entries would', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      let bytes = 0;
      const message = (offset: number) => ({
        topic: String(offset),
        payload: Buffer.alloc(0),
        qos: 1 as const,
        retain: false,
        properties: null,
        timestampMs: 0,
      });
      const journal: InboxJournal = {
        source: () => ({ lookup: message }) as unknown as RecordSource,
        nowMs: () => 0,
        done: () => undefined,
        received: () => new Commit(1),
        oldestMs: () => -Infinity,
        slowBeforeMs: () => -Infinity,
        taken: () => undefined,
        owedBytesChanged: (change) => void (bytes += change),
      };
      const inbox = new SessionInbox(1, journal);
      const model: Model[] = [];
      let cursor = 0;
      let redeliverBelow = 0;
      const takenHigh = (): number => model.reduce((high, m) => (m.taken ? Math.max(high, m.sequence + 1) : high), 0);
      for (const one of steps) {
        if (one.kind === 'owe') {
          for (let i = 0; i < one.count; i++) {
            const sequence = inbox.tail;
            model.push({ sequence, offset: sequence * 10, state: 'owed', taken: false });
            inbox.owe(0, sequence * 10, 7, 1, false, 0);
          }
          inbox.makeStable(inbox.tail);
        } else if (one.kind === 'take') {
          const wanted = model.filter((m) => m.sequence > cursor && m.state !== 'done').slice(0, one.count);
          const got = inbox.take(one.count);
          expect(got.map((e) => [e.sequence, e.received, e.message?.topic])).toEqual(
            wanted.map((m) => [
              m.sequence,
              m.state === 'received',
              m.state === 'received' ? undefined : String(m.offset),
            ]),
          );
          for (const entry of got) expect(entry.redelivery).toBe(entry.sequence < redeliverBelow);
          for (const m of wanted) m.taken = true;
          cursor = wanted.at(-1)?.sequence ?? cursor;
        } else if (one.kind === 'rewind') {
          inbox.rewind();
          cursor = 0;
          redeliverBelow = takenHigh();
        } else if (one.kind === 'drop') {
          const oldest = model.find((m) => m.state !== 'done' && m.sequence >= takenHigh());
          expect(inbox.dropOldest()).toBe(oldest !== undefined);
          if (oldest !== undefined) oldest.state = 'done';
        } else {
          // what a reader was not given cannot be acknowledged by a protocol
          const entry = model[one.at];
          if (entry === undefined || !entry.taken || entry.state === 'done') continue;
          if (one.kind === 'acknowledge') inbox.acknowledge(entry.sequence);
          else inbox.markReceived(entry.sequence);
          entry.state = one.kind === 'acknowledge' ? 'done' : 'received';
        }
        const live = model.filter((m) => m.state !== 'done');
        expect(inbox.depth).toBe(live.length);
        expect(bytes).toBe(live.length * 7);
        expect([...inbox.entries()].map((e) => e.sequence)).toEqual(live.map((m) => m.sequence));
      }
    }),
    { numRuns: 400 },
  );
});

it('events of any bytes are read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(1, 2, 3, 4, 5, 10, 11, 12), (bytes, kind) => {
      try {
        readEvent(Buffer.from([kind, ...bytes]));
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 1000 },
  );
});
