import { beforeEach, describe, expect, it } from 'vitest';
import { ERROR } from './errors.ts';
import { Fetch } from './messages/fetch.ts';
import { batchOf } from './testing/batch.ts';
import type { FakeClient } from './testing/fake-client.ts';
import { Fixture } from './testing/fixture.ts';

let world: Fixture;
let client: FakeClient;
beforeEach(async () => {
  world = new Fixture({ fetchSessionsMax: 2 });
  client = world.client();
  await world.blue.topics.create({ name: 't', partitions: 3 });
});
function append(index: number, value: string): void {
  world.blue.topics.get('t')!.partitions[index]!.append(batchOf([value]), null as never);
}
async function fetch(
  sessionId: number,
  sessionEpoch: number,
  offsets: Record<number, number>,
  forgotten: number[] = [],
) {
  const partitions = Object.entries(offsets).map(([partition, fetchOffset]) => ({
    partition: Number(partition),
    fetchOffset,
    partitionMaxBytes: 1e6,
  }));
  const answer = await world.ask(client, Fetch, 11, {
    clusterId: null,
    replicaState: null,
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1e6,
    isolationLevel: 0,
    sessionId,
    sessionEpoch,
    topics: partitions.length === 0 ? [] : [{ topic: 't', topicId: '', partitions }],
    forgottenTopicsData: forgotten.length === 0 ? [] : [{ topic: 't', topicId: '', partitions: forgotten }],
  });
  const rows = answer.responses.flatMap((topic) => topic.partitions.map((p) => p.partitionIndex)).sort();
  return { errorCode: answer.errorCode, sessionId: answer.sessionId, rows };
}

describe('a fetch session (KIP-227)', () => {
  it('tells everything once, then only what changed, for partitions named once', async () => {
    append(0, 'a');
    const opened = await fetch(0, 0, { 0: 0, 1: 0, 2: 0 });
    expect(opened).toMatchObject({ errorCode: 0, rows: [0, 1, 2] });
    expect(opened.sessionId).toBeGreaterThan(0);
    const { sessionId } = opened;
    expect((await fetch(sessionId, 1, { 0: 1 })).rows).toEqual([]);
    append(1, 'b');
    expect((await fetch(sessionId, 2, {})).rows).toEqual([1]);
    expect((await fetch(sessionId, 3, { 1: 1 })).rows).toEqual([]);
    append(2, 'c');
    expect((await fetch(sessionId, 4, {}, [2])).rows).toEqual([]);
    expect((await fetch(sessionId, 5, { 2: 0 })).rows).toEqual([2]);
    expect((await fetch(sessionId, 6, { 1: 50 })).rows).toEqual([1, 2]);
  });
  it('ends by epoch -1, is refused with another epoch or id', async () => {
    const { sessionId } = await fetch(0, 0, { 0: 0 });
    expect((await fetch(sessionId, 5, {})).errorCode).toBe(ERROR.INVALID_FETCH_SESSION_EPOCH);
    expect(await fetch(sessionId, -1, { 0: 0 })).toMatchObject({ errorCode: 0, sessionId: 0, rows: [0] });
    expect((await fetch(sessionId, 1, {})).errorCode).toBe(ERROR.FETCH_SESSION_ID_NOT_FOUND);
  });
  it('is not given where there is no room, until another is idle', async () => {
    await fetch(0, 0, { 0: 0 });
    await fetch(0, 0, { 0: 0 });
    expect(await fetch(0, 0, { 0: 0 })).toMatchObject({ errorCode: 0, sessionId: 0, rows: [0] });
    world.runtime.advance(121_000);
    expect((await fetch(0, 0, { 0: 0 })).sessionId).toBeGreaterThan(0);
  });
});
