import { beforeAll, describe, expect, inject, it } from 'vitest';
import { MosquittoSub, consume, kafkaOf, kcat, mosquittoPub, mqttOf } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, type TestCluster } from '../support/cloud.ts';
import { sleep } from '../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));

describe('two clusters on the shared node, same names everywhere', () => {
  let ours: TestCluster;
  let theirs: TestCluster;

  beforeAll(async () => {
    const [us, them] = [await newTenant(cloud, 'us'), await newTenant(cloud, 'them')];
    ours = await newCluster(cloud, us);
    theirs = await newCluster(cloud, them);
    await cloud.ctl('topic', 'create', 'data', '--cluster', ours.name, '--profile', us);
    await cloud.ctl('topic', 'create', 'data', '--cluster', theirs.name, '--profile', them);
  });

  it('MQTT: the same topics, client ids and wildcards see nothing of each other', async () => {
    const mine = await MosquittoSub.open(ours, ['-i', 'same-id', '-t', '#', '-q', '1']);
    const other = await MosquittoSub.open(theirs, ['-i', 'same-id', '-t', '#', '-q', '1']);
    await mosquittoPub(ours, ['-q', '1', '-t', 'data/1', '-m', 'ours', '-r']);
    await mosquittoPub(theirs, ['-q', '1', '-t', 'data/1', '-m', 'theirs', '-r']);
    await mine.waitFor(1);
    await other.waitFor(1);
    await sleep(500);
    mine.close();
    other.close();
    expect(mine.lines).toEqual(['ours']);
    expect(other.lines).toEqual(['theirs']);
    const late = await MosquittoSub.open(ours, ['-t', '#', '-q', '1']);
    await late.waitFor(1);
    await sleep(300);
    late.close();
    expect(late.lines).toEqual(['ours']);
  });

  it('Kafka: the same topic and the same group keep their own records and offsets', async () => {
    expect((await consume(ours, 'data', 1)).map(({ value }) => value)).toEqual(['ours']);
    expect((await consume(theirs, 'data', 1)).map(({ value }) => value)).toEqual(['theirs']);
    const admin = kafkaOf(ours).admin();
    await admin.connect();
    await admin.setOffsets({ groupId: 'same-group', topic: 'data', partitions: [{ partition: 0, offset: '1' }] });
    await admin.disconnect();
    const other = kafkaOf(theirs).admin();
    await other.connect();
    const [offsets] = await other.fetchOffsets({ groupId: 'same-group', topics: ['data'] });
    const { groups } = await other.listGroups();
    await other.disconnect();
    expect(offsets!.partitions[0]!.offset).toBe('-1');
    expect(groups.map(({ groupId }) => groupId)).not.toContain('same-group');
  });

  it('metadata lists one’s own topics only', async () => {
    await kcat(theirs, ['-P', '-t', 'data'], 'x\n');
    const listing = await kcat(ours, ['-L', '-J']);
    const topics = (JSON.parse(listing.stdout) as { topics: { topic: string }[] }).topics.map(({ topic }) => topic);
    expect(topics).toEqual(['data']);
  });

  it('a credential of one is no credential of the other', async () => {
    const crossed = { ...theirs, username: theirs.username.replace(/@.*/, `@${ours.username.split('@')[1]!}`) };
    await expect(mqttOf(crossed)).rejects.toThrow(/not authorized|bad user/i);
    const refused = await kcat(crossed, ['-L', '-m', '5']);
    expect(refused.code).not.toBe(0);
  });
});
