import { beforeAll, describe, expect, inject, it } from 'vitest';
import { CloudUnderTest, newCluster, newTenant, type TestCluster } from '../support/cloud.ts';
import { beside, DIMENSIONS, serve } from './fairness-victim.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
const COUNT = 100;

/** That the quiet one is served, not how fast: `fairness.ts` measures that. */
describe('a tenant beside one that uses up', () => {
  let victim: TestCluster;
  let neighbour: TestCluster;

  beforeAll(async () => {
    const [quiet, loud] = [await newTenant(cloud, 'quiet'), await newTenant(cloud, 'loud')];
    [victim, neighbour] = [await newCluster(cloud, quiet), await newCluster(cloud, loud)];
  });

  it.each(DIMENSIONS)('%s loses nothing and keeps its order', async (dimension) => {
    const { received } = await beside(neighbour, dimension, () => serve(victim, 50, COUNT));
    expect(received).toEqual(Array.from({ length: COUNT }, (_, n) => n));
  });
});
