import { generateSync } from 'otplib';
import { SMTPServer } from 'smtp-server';
import { freePort } from '@robustmq/db/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Problem, Session } from '@robustmq/contracts';
import { Sessions } from './sessions.ts';
import { OPERATOR_TOKEN, startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let owner: SignedUp;

beforeAll(async () => {
  api = await startTestApi();
  owner = await api.signUp('Mine');
});
afterAll(() => api.stop());

const post = <T = Problem>(path: string, body: unknown = {}, token?: string) =>
  api.call<T>('POST', path, { body, ...(token === undefined ? {} : { token }) });
const login = (email: string, password: string, code?: string) =>
  post<Session & Problem>('/v1/auth/login', { email, password, ...(code === undefined ? {} : { code }) });

interface Mail {
  kind: string;
  address: string;
  text: string;
}
/** The token in the newest mail of a kind to an address, read from the operator's outbox. */
async function mailed(kind: string, address: string): Promise<string> {
  const found = await until(
    async () => {
      const { body } = await api.call<{ items: Mail[] }>('GET', '/v1/operator/mails', { token: OPERATOR_TOKEN });
      return body.items.find((mail) => mail.kind === kind && mail.address === address);
    },
    (mail) => mail !== undefined,
  );
  return /token=(\S+)/.exec(found!.text)![1]!;
}

describe('an e-mail address', () => {
  it('is proven by a token that works once', async () => {
    const token = await mailed('verify-email', owner.email);
    expect((await post('/v1/auth/verify-email', { token })).status).toBe(204);
    expect((await post('/v1/auth/verify-email', { token })).status).toBe(401);
    const me = await api.call<{ user: object }>('GET', '/v1/me', { token: owner.token });
    expect(me.body.user).toMatchObject({ emailVerified: true, mfa: false });
    const kept = await api.database.people.mails(10);
    expect(Buffer.from(kept[0]!.sealedText).toString('latin1')).not.toContain('token=');
  });
});

describe('a password', () => {
  it('that guessers try first is refused', async () => {
    for (const password of ['password1234', 'aaaaaaaaaaaa', 'abcdefghijklm']) {
      const answer = await post('/v1/auth/signup', { email: 'weak@example.test', password, tenantName: 'x' });
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '/password' }] } });
    }
  });

  it('is set anew by the mail, which ends every session; nobody learns who has an account', async () => {
    const person = await api.signUp();
    expect((await post('/v1/auth/forgot-password', { email: 'nobody@example.test' })).status).toBe(204);
    expect((await post('/v1/auth/forgot-password', { email: person.email })).status).toBe(204);
    const token = await mailed('reset-password', person.email);
    const password = 'a completely new one';
    expect((await post('/v1/auth/reset-password', { token, password })).status).toBe(204);
    expect((await post('/v1/auth/reset-password', { token, password })).status).toBe(401);
    expect((await post('/v1/auth/refresh', { refreshToken: person.refreshToken })).status).toBe(401);
    expect((await login(person.email, person.password)).status).toBe(401);
    expect((await login(person.email, password)).status).toBe(200);
  });

  it('is changed by who knows it, and the session goes on', async () => {
    const person = await api.signUp();
    const second = await login(person.email, person.password);
    const change = (password: string) =>
      post('/v1/me/password', { password, newPassword: 'quite another phrase' }, second.body.accessToken);
    expect((await change('wrong password')).body.code).toBe('invalid-login');
    expect((await change(person.password)).status).toBe(204);
    expect((await post('/v1/auth/refresh', { refreshToken: person.refreshToken })).status).toBe(401);
    expect((await post('/v1/auth/refresh', { refreshToken: second.body.refreshToken })).status).toBe(200);
  });
});

describe('sessions', () => {
  it('are listed with where they come from, and end one by one', async () => {
    const person = await api.signUp();
    await login(person.email, person.password);
    interface List {
      items: { id: string; ip: string }[];
    }
    const list = () => api.call<List>('GET', '/v1/me/sessions', { token: person.token });
    const before = (await list()).body.items;
    expect(before).toHaveLength(2);
    expect(before[0]!.ip).toContain('127.0.0.1');
    const end = (id: string, token = person.token) => api.call('DELETE', `/v1/me/sessions/${id}`, { token });
    expect((await end(before[0]!.id, owner.token)).status).toBe(404);
    expect((await end(before[0]!.id)).status).toBe(204);
    expect((await list()).body.items).toHaveLength(1);
  });

  it('take their access tokens with them when they end', async () => {
    const person = await api.signUp();
    const second = await login(person.email, person.password);
    const me = (token: string) => api.call('GET', '/v1/me', { token });
    expect((await me(second.body.accessToken)).status).toBe(200);
    expect((await post('/v1/auth/logout', { refreshToken: second.body.refreshToken })).status).toBe(204);
    await until(
      () => me(second.body.accessToken),
      ({ status }) => status === 401,
    );
    expect((await me(person.token)).status).toBe(200);
  });
});

describe('a second factor', () => {
  it('is asked for at login, takes each code once, and has recovery codes', async () => {
    const person = await api.signUp('Guarded');
    const setup = await post<{ secret: string; uri: string }>('/v1/me/mfa', {}, person.token);
    expect(setup.body.uri).toMatch(/^otpauth:\/\/totp\//);
    const { secret } = setup.body;
    const step = (offset: number) => generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + offset * 30 });
    expect((await post('/v1/me/mfa/confirm', { code: '000000' }, person.token)).status).toBe(401);
    const confirmed = await post<{ recoveryCodes: string[] }>('/v1/me/mfa/confirm', { code: step(-1) }, person.token);
    expect(confirmed.body.recoveryCodes).toHaveLength(10);
    expect((await post('/v1/me/mfa', {}, person.token)).status).toBe(409);

    expect((await login(person.email, person.password)).body.code).toBe('mfa-code-required');
    const code = step(0);
    expect((await login(person.email, person.password, code)).status).toBe(200);
    expect((await login(person.email, person.password, code)).body.code).toBe('invalid-login');
    const recovery = confirmed.body.recoveryCodes[0]!;
    expect((await login(person.email, person.password, recovery)).status).toBe(200);
    expect((await login(person.email, person.password, recovery)).status).toBe(401);

    const disable = { code: confirmed.body.recoveryCodes[1]! };
    expect((await post('/v1/me/mfa/disable', disable, person.token)).status).toBe(204);
    expect((await login(person.email, person.password)).status).toBe(200);
  });

  it('is proven again for dangerous actions when that was long ago', async () => {
    const person = await api.signUp('Careful');
    const { body: setup } = await post<{ secret: string }>('/v1/me/mfa', {}, person.token);
    const code = (offset: number) =>
      generateSync({ secret: setup.secret, epoch: Math.floor(Date.now() / 1000) + offset * 30 });
    await post('/v1/me/mfa/confirm', { code: code(-1) }, person.token);
    const old = await api.app.get(Sessions).accessToken(person.userId, undefined, new Date(Date.now() - 3_600_000));
    const dangerous = (token: string) => post(`${person.at}/api-keys`, { name: 'k', role: 'viewer' }, token);
    expect(await dangerous(old)).toMatchObject({ status: 403, body: { code: 'step-up-required' } });
    expect((await api.call('GET', `${person.at}/api-keys`, { token: old })).status).toBe(200);
    expect((await post('/v1/me/step-up', { code: '000000' }, old)).status).toBe(401);
    const { body: proven } = await post<{ accessToken: string }>('/v1/me/step-up', { code: code(0) }, old);
    expect((await dangerous(proven.accessToken)).status).toBe(201);
  });

  it('can be a must in a tenant', async () => {
    const person = await api.signUp('Strict');
    const must = () => api.call('PATCH', person.at, { token: person.token, body: { mfaRequired: true } });
    expect((await must()).body.code).toBe('conflict');
    const { body } = await post<{ secret: string }>('/v1/me/mfa', {}, person.token);
    await post('/v1/me/mfa/confirm', { code: generateSync({ secret: body.secret }) }, person.token);
    expect((await must()).status).toBe(200);
    const guest = await api.signUp();
    const members = `${person.at}/members`;
    await api.call('POST', members, { token: person.token, body: { email: guest.email, role: 'viewer' } });
    expect((await api.call('GET', members, { token: guest.token })).body.code).toBe('mfa-setup-required');
    expect((await api.call('GET', members, { token: person.token })).status).toBe(200);
  });
});

describe('an invitation', () => {
  const invite = (email: string, role = 'developer') =>
    api.call<{ id: string } & Problem>('POST', `${owner.at}/invitations`, {
      token: owner.token,
      body: { email, role },
    });

  it('lets exactly the invited person in', async () => {
    const [guest, thief] = [await api.signUp(), await api.signUp()];
    expect((await invite(guest.email)).status).toBe(201);
    const token = await mailed('invitation', guest.email);
    expect((await post('/v1/me/invitations/accept', { token }, thief.token)).status).toBe(404);
    const accepted = await post('/v1/me/invitations/accept', { token }, guest.token);
    expect(accepted).toMatchObject({ status: 200, body: { tenantId: owner.tenantId } });
    expect((await post('/v1/me/invitations/accept', { token }, guest.token)).status).toBe(404);
    expect((await api.call('GET', `${owner.at}/clusters`, { token: guest.token })).status).toBe(200);
  });

  it('may be sent to somebody without an account, and taken back', async () => {
    const made = await invite('later@example.test');
    const token = await mailed('invitation', 'later@example.test');
    const list = await api.call<{ items: object[] }>('GET', `${owner.at}/invitations`, { token: owner.token });
    expect(list.body.items).toHaveLength(1);
    const revoked = await api.call('DELETE', `${owner.at}/invitations/${made.body.id}`, { token: owner.token });
    expect(revoked.status).toBe(204);
    const body = { email: 'later@example.test', password: 'long enough to pass', tenantName: 'x' };
    const late = await post<Session>('/v1/auth/signup', body);
    expect((await post('/v1/me/invitations/accept', { token }, late.body.accessToken)).status).toBe(404);
  });
});

describe('mails', () => {
  it('go out over SMTP where there is a server', async () => {
    const port = await freePort();
    const received: string[] = [];
    const server = new SMTPServer({
      ...{ authOptional: true, disabledCommands: ['STARTTLS'], logger: false },
      onData: (stream, _session, done) => {
        let text = '';
        stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
        stream.on('end', () => {
          received.push(text);
          done();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const mailing = await startTestApi({ smtpUrl: `smtp://127.0.0.1:${port}`, publicUrl: 'https://cloud.example' });
    const person = await mailing.signUp();
    await until(
      async () => received.length,
      (count) => count === 1,
    );
    expect(received[0]).toContain(`To: ${person.email}`);
    expect(received[0]!.replaceAll('=\r\n', '')).toContain('https://cloud.example/verify-email');
    await mailing.stop();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
});
