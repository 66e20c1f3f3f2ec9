import { getQueueToken } from '@nestjs/bullmq';
import type { Cluster } from '@robustmq/contracts';
import type { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Provisioner, RECONCILE_QUEUE } from '../provisioning/provisioner.ts';
import type { Settings } from '../settings.ts';
import { TestAgent } from './test-agent.ts';
import { startTestApi, until, type SignedUp, type TestApi } from './test-api.ts';

/** What the reconcile queue must do on every backend; `settings` picks it and is asked once the backend runs. */
export function queueSuite(backend: string, settings: () => Partial<Settings>): void {
  describe(`the reconcile queue on ${backend}`, () => {
    let api: TestApi;
    let agent: TestAgent;
    let owner: SignedUp;
    let queue: Queue;
    beforeAll(async () => {
      api = await startTestApi(settings());
      agent = await TestAgent.joined(api);
      owner = await api.signUp();
      // every request's process dies right after its commit: only the queue is left
      api.app.get(Provisioner).kick = () => Promise.resolve();
      queue = api.app.get<Queue>(getQueueToken(RECONCILE_QUEUE));
    });
    afterAll(async () => {
      agent.close();
      await api.stop();
    });

    /** A cluster that was promised and not yet begun. */
    const promised = async (name: string): Promise<string> => {
      const made = await api.call<Cluster>('POST', `${owner.at}/clusters`, { token: owner.token, body: { name } });
      return made.body.id;
    };
    const phaseOf = async (id: string) =>
      (await api.call<Cluster>('GET', `${owner.at}/clusters/${id}`, { token: owner.token })).body.phase;
    const settled = async (): Promise<number> => {
      const counts = await queue.getJobCounts('active', 'waiting', 'delayed', 'completed', 'failed', 'prioritized');
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    };

    it('carries out what a killed process promised', async () => {
      const id = await promised('left-behind');
      expect(await phaseOf(id)).toBe('Pending');
      await api.app.get(Provisioner).sweep();
      await until(
        () => phaseOf(id),
        (phase) => phase === 'Ready',
      );
    });

    it('carries out many promises, each once, and keeps nothing of them', async () => {
      const ids = await Promise.all(Array.from({ length: 12 }, (_, n) => promised(`many-${n}`)));
      await Promise.all([api.app.get(Provisioner).sweep(), api.app.get(Provisioner).sweep()]);
      for (const id of ids)
        await until(
          () => phaseOf(id),
          (phase) => phase === 'Ready',
        );
      await until(settled, (count) => count === 0);
    });

    it('takes the same job any number of times as one, and a job of nothing does no harm', async () => {
      const data = { clusterId: '01890000-0000-7000-8000-000000000000', tenantId: owner.tenantId };
      const options = { jobId: data.clusterId, removeOnComplete: true, removeOnFail: true };
      for (let n = 0; n < 5; n += 1) await queue.add(RECONCILE_QUEUE, data, options);
      await until(settled, (count) => count === 0);
    });
  });
}
