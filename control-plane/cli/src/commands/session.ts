import { ApiError, bodyOf } from '@robustmq/client';
import { Command } from 'commander';
import type { Context } from '../context.ts';
import { usageFailure } from '../failure.ts';
import { fieldsOf } from '../output.ts';
import type { CommandKit } from '../program.ts';

interface Login {
  email?: string;
  password?: string;
  code?: string;
}

/** A value from its flag, or typed by a person at a terminal. */
async function given(context: Context, value: string | undefined, name: string, hidden: boolean): Promise<string> {
  if (value !== undefined) return value;
  const { terminal } = context;
  if (!terminal.stdinIsTty) throw usageFailure(`--${name} is missing.`);
  return terminal.ask(`${name[0]!.toUpperCase()}${name.slice(1)}: `, hidden);
}

const signedInAs = (context: Context, email: string): void =>
  context.terminal.note(`Logged in at ${context.server} as ${email} (profile "${context.profileName}").`);

async function signup(context: Context, options: Login): Promise<void> {
  const tenantName = context.globals.tenant;
  if (tenantName === undefined) throw usageFailure('--tenant NAME is missing: the name of your company or team.');
  const session = await bodyOf(
    context.anonymous().POST('/v1/auth/signup', {
      body: {
        email: await given(context, options.email, 'email', false),
        password: await given(context, options.password, 'password', true),
        tenantName,
      },
    }),
  );
  await context.remember(session);
  signedInAs(context, session.user.email);
  await context.print({ user: session.user, tenants: session.tenants }, () => '');
}

async function login(context: Context, options: Login): Promise<void> {
  const email = await given(context, options.email, 'email', false);
  const password = await given(context, options.password, 'password', true);
  const enter = (code: string | undefined) =>
    bodyOf(
      context.anonymous().POST('/v1/auth/login', {
        body: { email, password, ...(code === undefined ? {} : { code }) },
      }),
    );
  const session = await enter(options.code).catch(async (error: unknown) => {
    const asked = error instanceof ApiError && error.code === 'mfa-code-required' && context.terminal.stdinIsTty;
    if (!asked) throw error;
    return enter(await context.terminal.ask('Code of your authenticator: ', false));
  });
  await context.remember(session);
  signedInAs(context, session.user.email);
  await context.print({ user: session.user, tenants: session.tenants }, () => '');
}

async function stepUp(context: Context, options: Login): Promise<void> {
  const code = await given(context, options.code, 'code', false);
  const { accessToken } = await bodyOf(context.client().POST('/v1/me/step-up', { body: { code } }));
  await context.store.update(context.profileName, (profile) => ({ ...profile, accessToken }));
  context.terminal.note('Your second factor is proven: dangerous actions are open for 15 minutes.');
}

async function logout(context: Context): Promise<void> {
  const { refreshToken, server } = await context.store.read(context.profileName);
  await context.store.update(
    context.profileName,
    ({ accessToken: _a, refreshToken: _r, email: _e, tenant: _t, ...rest }) => rest,
  );
  if (refreshToken !== undefined && (server ?? context.server) === context.server) {
    await context.anonymous().POST('/v1/auth/logout', { body: { refreshToken } });
  }
  context.terminal.note(`Logged out (profile "${context.profileName}").`);
}

async function whoami(context: Context): Promise<void> {
  const me = await context.me();
  const tenant = await context.tenantId().catch(() => null);
  await context.print({ ...me, tenant, server: context.server, profile: context.profileName }, () =>
    fieldsOf([
      ['user', me.user.email],
      ['server', context.server],
      ['profile', context.profileName],
      ...me.tenants.map((t) => ['tenant', `${t.name} (${t.role}) ${t.id}${t.id === tenant ? ' *' : ''}`] as const),
    ]),
  );
}

/** signup, login, step-up, logout, whoami. */
export function sessionCommands(kit: CommandKit): Command[] {
  return [
    new Command('signup')
      .description('make an account and a tenant, and log in')
      .option('--email <address>')
      .option('--password <password>', 'at least 10 characters')
      .action((options: Login, command: Command) => kit.run(command, (context) => signup(context, options)))
      .addHelpText('after', '\nThe global option --tenant names the new tenant.'),
    new Command('login')
      .description('log in and remember the session')
      .option('--email <address>')
      .option('--password <password>')
      .option('--code <code>', 'of your authenticator, or a recovery code, if you have a second factor')
      .action((options: Login, command: Command) => kit.run(command, (context) => login(context, options))),
    new Command('step-up')
      .description('prove the second factor again, for dangerous actions')
      .option('--code <code>', 'of your authenticator')
      .action((options: Login, command: Command) => kit.run(command, (context) => stepUp(context, options))),
    new Command('logout')
      .description('end the session')
      .action((_options: object, command: Command) => kit.run(command, logout)),
    new Command('whoami')
      .description('who is logged in, and their tenants')
      .action((_options: object, command: Command) => kit.run(command, whoami)),
  ];
}
