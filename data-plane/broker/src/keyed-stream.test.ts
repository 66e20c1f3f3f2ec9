import { BatchBuilder, Journal, type RecordView, type StreamName } from '@robustmq/journal';
import { ManualRuntime } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { replayRecords } from './keyed-stream.ts';
import { MemoryLogStore } from './testing/failing-stores.ts';

describe('replayRecords', () => {
  it('steps over a batch that cannot be decoded and visits what lies behind it', async () => {
    const runtime = new ManualRuntime({ autoTurn: true });
    const journal = new Journal({ store: new MemoryLogStore(), runtime });
    const policy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 } as const;
    const stream = await journal.open('ns1:n:own' as StreamName, policy);
    const builder = new BatchBuilder();
    for (let i = 0; i < 5; i++) {
      for (let k = 0; k < 3; k++) builder.add(null, Buffer.from(`${i}${k}`), null, 0);
      const batch = builder.build();
      // The length of the second record: what is left of the batch is not what it says.
      if (i === 2) batch[61 + 1 + (batch[61]! >> 1)] = 0x7f;
      await stream.append(batch).promise();
    }
    const visited: string[] = [];
    const whole = await replayRecords(stream, runtime, (record: RecordView) => {
      visited.push(record.value()!.toString());
    });
    expect(whole).toBe(false);
    expect(visited).toEqual(['00', '01', '02', '10', '11', '12', '20', '30', '31', '32', '40', '41', '42']);
  });
});
