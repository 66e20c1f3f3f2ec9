import { Command } from 'commander';
import { serverOf, type Context } from '../context.ts';
import { EXIT, Failure, usageFailure } from '../failure.ts';
import { fieldsOf } from '../output.ts';
import type { Profile } from '../profile-store.ts';
import type { CommandKit } from '../program.ts';
import { getSetting, setSetting } from './settings.ts';

const KEYS = ['server', 'tenant', 'cluster', 'output'] as const;
type Key = (typeof KEYS)[number];

const keyOf = (text: string): Key => {
  const key = KEYS.find((k) => k === text);
  if (!key) throw usageFailure(`There is no setting "${text}".`, `The settings are ${KEYS.join(', ')}.`);
  return key;
};

async function get(context: Context, name: string | undefined): Promise<void> {
  if (name === undefined) {
    const settings = Object.fromEntries(
      KEYS.flatMap((key) => (context.profile[key] === undefined ? [] : [[key, context.profile[key]]])),
    );
    const data = { profile: context.profileName, file: context.store.path, ...settings };
    return context.print(data, () => fieldsOf(Object.entries(data)));
  }
  const value = context.profile[keyOf(name)];
  if (value === undefined)
    throw new Failure(EXIT.notFound, `"${name}" is not set in profile "${context.profileName}".`);
  await context.print(value, () => `${value}\n`);
}

/** The profile with one setting changed; an empty value removes it. Throws a usage Failure for values that cannot be. */
async function changed(context: Context, key: Key, value: string): Promise<(profile: Profile) => Profile> {
  if (value === '') return ({ [key]: _old, ...rest }) => rest;
  switch (key) {
    case 'server': {
      const server = serverOf(value);
      // A session belongs to one server.
      return ({ accessToken: _a, refreshToken: _r, tenant: _t, ...rest }) => ({ ...rest, server });
    }
    case 'output': {
      const format = (['table', 'json', 'yaml'] as const).find((f) => f === value);
      if (!format) throw usageFailure(`"${value}" is no output format.`, 'Use table, json or yaml.');
      return (profile) => ({ ...profile, output: format });
    }
    case 'tenant': {
      const { tenants } = await context.me();
      const tenant = tenants.find((t) => t.id === value) ?? tenants.find((t) => t.name === value);
      if (!tenant) throw new Failure(EXIT.notFound, `You belong to no tenant "${value}".`, 'See: robust-ctl whoami');
      return (profile) => ({ ...profile, tenant: tenant.id });
    }
    case 'cluster':
      return (profile) => ({ ...profile, cluster: value });
  }
}

async function set(context: Context, name: string, value: string): Promise<void> {
  const change = await changed(context, keyOf(name), value);
  await context.store.update(context.profileName, change);
}

/** config get | set. */
export function configCommand(kit: CommandKit): Command {
  const config = new Command('config').description(`settings of the profile: ${KEYS.join(', ')}`);
  config
    .command('get [key]')
    .description('show one setting, or all; of a cluster with --cluster: config get mqtt.flapping --cluster C')
    .option('-c, --cluster <id|name>', 'a cluster’s settings instead of the profile’s')
    .action((key: string | undefined, options: { cluster?: string }, command: Command) =>
      kit.run(command, (context) =>
        options.cluster === undefined ? get(context, key) : getSetting(context, options.cluster, key),
      ),
    );
  config
    .command('set <key> <value>')
    .description('change a setting; an empty value removes it; of a cluster with --cluster (a.b.c and JSON)')
    .option('-c, --cluster <id|name>', 'a cluster’s settings instead of the profile’s')
    .option('--dry-run', 'only say what would change in the cluster')
    .action((key: string, value: string, options: { cluster?: string; dryRun?: boolean }, command: Command) =>
      kit.run(command, (context) =>
        options.cluster === undefined
          ? set(context, key, value)
          : setSetting(context, options.cluster, key, value, options.dryRun === true),
      ),
    );
  return config;
}
