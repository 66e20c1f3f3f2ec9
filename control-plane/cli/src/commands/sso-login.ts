import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bodyOf } from '@robustmq/client';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import type { CommandKit } from '../program.ts';

/** What the browser brought back, or the reason why nothing came. */
type CameBack = { readonly query: URLSearchParams } | { readonly tooLate: true };

const DONE = '<!doctype html><title>RobustMQ Cloud</title><p>You can close this window and go back to the terminal.';

/** A listener of this machine that waits for the browser (RFC 8252 §7.3). */
async function loopback(): Promise<{ url: string; cameBack(ms: number): Promise<CameBack>; close(): void }> {
  let take: (query: URLSearchParams) => void = () => undefined;
  const came = new Promise<URLSearchParams>((resolve) => (take = resolve));
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (url.pathname !== '/callback') return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', connection: 'close' }).end(DONE);
    take(url.searchParams);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`,
    cameBack: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve({ tooLate: true }), ms);
        void came.then((query) => {
          clearTimeout(timer);
          resolve({ query });
        });
      }),
    close: () => server.close(),
  };
}

async function login(context: Context, { email }: { email?: string }): Promise<void> {
  if (email === undefined) throw usageFailure('--email is missing: its domain names the identity provider.');
  const listener = await loopback();
  try {
    const begun = await bodyOf(
      context.anonymous().POST('/v1/auth/sso/start', { body: { email, redirectUri: listener.url } }),
    );
    context.terminal.note(`Open in a browser, to sign in with ${begun.provider.name}:\n${begun.authorizationUrl}`);
    const back = await listener.cameBack(begun.expiresInSeconds * 1_000);
    if ('tooLate' in back) throw new Failure(EXIT.failed, 'The sign-in took too long.', 'Begin again.');
    const { query } = back;
    // whoever else sends a browser here has not the state
    if (query.get('state') !== begun.state)
      throw new Failure(EXIT.denied, 'What came back belongs to another sign-in.', 'Begin again.');
    const [code, error, iss] = ['code', 'error', 'iss'].map((name) => query.get(name) ?? undefined);
    const session = await bodyOf(
      context.anonymous().POST('/v1/auth/sso/finish', {
        body: {
          ...{ binding: begun.binding, state: begun.state },
          ...(code === undefined ? {} : { code }),
          ...(error === undefined ? {} : { error }),
          ...(iss === undefined ? {} : { iss }),
        },
      }),
    );
    await context.remember(session);
    context.terminal.note(`Logged in at ${context.server} as ${session.user.email}, for as long as a working day.`);
    await context.print({ user: session.user, tenants: session.tenants }, () => '');
  } finally {
    listener.close();
  }
}

/** sso login. */
export function ssoLoginCommand(kit: CommandKit): Command {
  return new Command('login')
    .description('log in through the identity provider of your e-mail domain, in a browser')
    .option('--email <address>')
    .action((options: { email?: string }, command: Command) => kit.run(command, (context) => login(context, options)));
}
