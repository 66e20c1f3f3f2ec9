import { ManualRuntime } from '@robustmq/wire';
import { expect, it, vi } from 'vitest';
import { HttpAuthentication, type HttpCaller, type HttpQuestion } from './http-authentication.ts';
import { admitRequest } from './testing/test-node.ts';

vi.setConfig({ testTimeout: 60_000 });

const SETTINGS = {
  ...{ url: 'https://service/', headers: {}, timeoutMs: 1_000, allowCacheSeconds: 60, denyCacheSeconds: 10 },
  whenUnavailable: 'deny',
} as const;

/** The other end of the seam: answers when it is told to. */
class Service implements HttpCaller {
  readonly asked: HttpQuestion[] = [];
  readonly waiting: ((answer: { status: number; body: string }) => void)[] = [];
  peak = 0;
  open = 0;
  call(question: HttpQuestion): Promise<{ status: number; body: string }> {
    this.asked.push(question);
    this.peak = Math.max(this.peak, ++this.open);
    return new Promise((resolve) => this.waiting.push(resolve));
  }
  answer(status: number, body = ''): void {
    this.open--;
    this.waiting.shift()!({ status, body });
  }
}
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function world(change: object = {}) {
  const runtime = new ManualRuntime();
  const service = new Service();
  const http = new HttpAuthentication({ ...SETTINGS, ...change }, 'cluster', service, runtime);
  const of = (name: string, clientId = 'c') =>
    [name, admitRequest({ username: name, clientId, password: Buffer.from('pw') })] as const;
  return { runtime, service, http, of };
}

it('asks at most so many questions at a time, keeps a bounded queue, and refuses what is beyond it', async () => {
  const { service, http, of } = world();
  const asked = Array.from({ length: 1_100 }, (_, i) => http.ask(...of(`user${i}`)));
  await settle();
  expect([service.asked.length, service.peak]).toEqual([32, 32]);
  const last = await asked.at(-1)!;
  expect(last.kind).toBe('unavailable');
  while (service.waiting.length > 0) {
    service.answer(204);
    await settle();
  }
  const kinds = (await Promise.all(asked)).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'allow')).toHaveLength(1_032);
  expect(service.peak).toBe(32);
});

it('nobody waits for long behind a service that is slow', async () => {
  const { runtime, service, http, of } = world();
  const asked = Array.from({ length: 40 }, (_, i) => http.ask(...of(`user${i}`)));
  await settle();
  runtime.advance(1_999);
  service.answer(204);
  await settle();
  expect(service.asked).toHaveLength(33);
  runtime.advance(1);
  expect((await Promise.all(asked.slice(33))).map(({ kind }) => kind)).toEqual(
    asked.slice(33).map(() => 'unavailable'),
  );
  while (service.waiting.length > 0) service.answer(204);
  expect((await Promise.all(asked.slice(0, 33))).map(({ kind }) => kind)).toEqual(
    asked.slice(0, 33).map(() => 'allow'),
  );
  // all places are free again
  const again = Array.from({ length: 32 }, (_, i) => http.ask(...of(`again${i}`)));
  await settle();
  expect(service.waiting).toHaveLength(32);
  while (service.waiting.length > 0) service.answer(204);
  await Promise.all(again);
});

it('remembers answers for their time, a bounded number of them, and never under other words', async () => {
  const { runtime, service, http, of } = world();
  const ask = async (name: string, status: number) => {
    const asking = http.ask(...of(name));
    await settle();
    service.answer(status);
    return (await asking).kind;
  };
  expect([await ask('yes', 204), await ask('no', 403)]).toEqual(['allow', 'deny']);
  expect([http.remembered(...of('yes'))?.kind, http.remembered(...of('no'))?.kind]).toEqual(['allow', 'deny']);
  expect(http.remembered(...of('yes', 'other client'))).toBeNull();
  runtime.advance(10_000);
  expect([http.remembered(...of('yes'))?.kind, http.remembered(...of('no'))]).toEqual(['allow', null]);
  runtime.advance(50_000);
  expect(http.remembered(...of('yes'))).toBeNull();
  await ask('first', 204);
  for (let i = 0; i < 10_000; i += 32) {
    const some = Array.from({ length: 32 }, (_, at) => http.ask(...of(`user${i + at}`)));
    await settle();
    while (service.waiting.length > 0) service.answer(204);
    await Promise.all(some);
  }
  expect(http.remembered(...of('first'))).toBeNull();
  expect(http.remembered(...of('user9999'))?.kind).toBe('allow');
});

it('stops asking for a while after failures in a row', async () => {
  const { runtime, service, http, of } = world();
  for (let i = 0; i < 5; i++) {
    const asking = http.ask(...of(`user${i}`));
    await settle();
    service.answer(500);
    expect((await asking).kind).toBe('unavailable');
  }
  expect((await http.ask(...of('another'))).kind).toBe('unavailable');
  expect(service.asked).toHaveLength(5);
  runtime.advance(5_000);
  const asking = http.ask(...of('another'));
  await settle();
  service.answer(204);
  expect((await asking).kind).toBe('allow');
});
