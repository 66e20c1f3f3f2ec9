import { describe, expect, it } from 'vitest';
import { withStepUp } from './step-up.ts';

const refusal = () => Response.json({ code: 'step-up-required' }, { status: 403 });

/** An API that wants the code 123456 before it deletes anything. */
function api() {
  const seen: { path: string; authorization: string | null; body: string }[] = [];
  const fetch = async (request: Request): Promise<Response> => {
    const path = new URL(request.url).pathname;
    const body = await request.text();
    const authorization = request.headers.get('authorization');
    seen.push({ path, authorization, body });
    if (path === '/v1/me/step-up')
      return body.includes('123456')
        ? Response.json({ accessToken: 'fresh', expiresIn: 60 })
        : Response.json({ code: 'invalid-login' }, { status: 401 });
    return authorization === 'Bearer fresh' ? Response.json({ done: body }) : refusal();
  };
  return { fetch, seen };
}
const request = () =>
  new Request('http://portal.test/v1/things', {
    method: 'POST',
    headers: { authorization: 'Bearer old', 'content-type': 'application/json', 'idempotency-key': 'k' },
    body: '{"a":1}',
  });

describe('withStepUp', () => {
  it('asks, proves and repeats the action with its body', async () => {
    const { fetch, seen } = api();
    const kept: string[] = [];
    const codes = ['000000', '123456'];
    const asked: boolean[] = [];
    const send = withStepUp({
      fetch,
      ask: async (wrong) => {
        asked.push(wrong);
        return codes.shift();
      },
      keep: (token) => kept.push(token),
    });
    const answer = await send(request());
    expect(await answer.json()).toEqual({ done: '{"a":1}' });
    expect(asked).toEqual([false, true]);
    expect(kept).toEqual(['fresh']);
    expect(seen.map(({ path }) => path)).toEqual(['/v1/things', '/v1/me/step-up', '/v1/me/step-up', '/v1/things']);
  });

  it('hands the refusal on when the person gives up', async () => {
    const { fetch, seen } = api();
    const send = withStepUp({ fetch, ask: async () => undefined, keep: () => expect.unreachable() });
    const answer = await send(request());
    expect(answer.status).toBe(403);
    expect(await answer.json()).toEqual({ code: 'step-up-required' });
    expect(seen).toHaveLength(1);
  });

  it('stops asking after three wrong codes', async () => {
    const { fetch } = api();
    let asked = 0;
    const send = withStepUp({
      fetch,
      ask: async () => {
        asked += 1;
        return '000000';
      },
      keep: () => expect.unreachable(),
    });
    expect((await send(request())).status).toBe(403);
    expect(asked).toBe(3);
  });

  it('leaves every other answer alone', async () => {
    const send = withStepUp({
      fetch: async () => Response.json({ code: 'forbidden' }, { status: 403 }),
      ask: async () => expect.unreachable(),
      keep: () => expect.unreachable(),
    });
    expect(await (await send(request())).json()).toEqual({ code: 'forbidden' });
  });
});
