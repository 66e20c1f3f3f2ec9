import { ApiError } from '@robustmq/client';
import { describe, expect, it } from 'vitest';
import { operatorClient } from './operator-client.ts';

describe('the operator’s client', () => {
  it('sends the token and the body', async () => {
    const seen: [string, RequestInit | undefined][] = [];
    const client = operatorClient('secret', async (input, init) => {
      seen.push([String(input), init]);
      return Response.json({ items: [] });
    });
    expect(await client.post('billing/mark-paid', { invoiceId: '1' })).toEqual({ items: [] });
    expect(seen[0]![0]).toBe('/v1/operator/billing/mark-paid');
    expect(seen[0]![1]).toMatchObject({ method: 'POST', body: '{"invoiceId":"1"}' });
    expect(new Headers(seen[0]![1]!.headers).get('authorization')).toBe('Bearer secret');
  });

  it('rejects with what the API said, and with the status where it said nothing', async () => {
    const refusing = operatorClient('x', async () =>
      Response.json({ code: 'unauthenticated', title: 'Log in' }, { status: 401 }),
    );
    await expect(refusing.get('agents')).rejects.toMatchObject({ status: 401, code: 'unauthenticated' });
    const broken = operatorClient('x', async () => new Response('bad gateway', { status: 502 }));
    await expect(broken.get('agents')).rejects.toBeInstanceOf(ApiError);
  });
});
