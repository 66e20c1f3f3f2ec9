import { expect, it } from 'vitest';
import { AgentError } from './agent-error.ts';
import { testLog } from './testing/fixtures.ts';
import { ViewForwarder, VIEWS_AT_ONCE, VIEWS_WAITING_MAX } from './view-forwarder.ts';

const request = (id: string, clusterId = 'c') => ({ id, clusterId, view: 'clients', queryJson: '{}' });

it('asks a bounded number at once, lets a bounded number wait, and answers every one', async () => {
  let running = 0;
  let runningMax = 0;
  const release: (() => void)[] = [];
  const admin = {
    async view() {
      runningMax = Math.max(runningMax, ++running);
      await new Promise<void>((resolve) => release.push(resolve));
      running -= 1;
      return '{}';
    },
  };
  const views = new ViewForwarder({ adminOf: () => admin, isDesired: () => true }, testLog);
  const all = Array.from({ length: VIEWS_AT_ONCE + VIEWS_WAITING_MAX + 5 }, (_, i) => views.answer(request(String(i))));
  const refused = (await Promise.all(all.slice(-5))).map(({ errorJson }) => errorJson);
  expect(refused.every((text) => text.includes('too-many-requests'))).toBe(true);
  let answered = 0;
  for (const one of all.slice(0, -5)) void one.then(() => (answered += 1));
  while (answered < VIEWS_AT_ONCE + VIEWS_WAITING_MAX) {
    release.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(runningMax).toBe(VIEWS_AT_ONCE);
  expect((await Promise.all(all)).map(({ id }) => id)).toEqual(all.map((_, i) => String(i)));
});

it('tells an absent cluster from an absent node, and passes on what the node refuses', async () => {
  const refusal = (error: Error) => ({ view: () => Promise.reject(error) });
  const nodes: Record<string, ReturnType<typeof refusal>> = {
    refuses: refusal(new AgentError('node-refused', 'there is no topic x', { refusal: 'not-found' })),
    silent: refusal(new AgentError('node-unreachable', 'no answer')),
  };
  const views = new ViewForwarder({ adminOf: (id) => nodes[id], isDesired: (id) => id !== 'unknown' }, testLog);
  const code = async (clusterId: string) =>
    (JSON.parse((await views.answer(request('1', clusterId))).errorJson) as { code: string }).code;
  expect(await code('unknown')).toBe('not-found');
  expect(await code('stopped')).toBe('unavailable');
  expect(await code('refuses')).toBe('not-found');
  expect(await code('silent')).toBe('unavailable');
});
