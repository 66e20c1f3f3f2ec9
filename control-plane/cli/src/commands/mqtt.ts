import type { Cluster } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { MqttClient } from 'mqtt';
import { endpointOf, payloadJson, withClientLogin, type ClientLogin, type LoginOptions } from '../client-login.ts';
import type { Context } from '../context.ts';
import { EXIT, Failure } from '../failure.ts';
import { collect, messagesOf } from '../lines.ts';
import { seconds, wholeNumber } from '../numbers.ts';
import type { CommandKit } from '../program.ts';

type Qos = 0 | 1 | 2;
interface MqttOptions extends LoginOptions {
  cluster?: string;
  qos: Qos;
  clientId?: string;
}
interface PubOptions extends MqttOptions {
  message?: string[];
  retain?: boolean;
  count?: number;
}
interface SubOptions extends MqttOptions {
  count?: number;
  timeout?: number;
  verbose?: boolean;
}

const CONNECT_MS_MAX = 10_000;
/** CONNACK codes that mean "not you": 3.1.1 §3.2.2.3 (4, 5) and 5.0 §3.2.2.2 (bad credentials, not authorised, banned). */
const DENIED = new Set([4, 5, 0x86, 0x87, 0x8a]);

function connectFailure(address: string, error: unknown): Failure {
  const { code, message } = error as { code?: number | string; message: string };
  if (typeof code === 'number' && DENIED.has(code)) {
    return new Failure(
      EXIT.denied,
      `${address} refused the user name or password.`,
      'Make a credential: robust-ctl credential create NAME',
    );
  }
  return new Failure(
    EXIT.failed,
    `${address}: ${message || String(code)}.`,
    'Is the cluster ready? robust-ctl cluster status',
  );
}

async function connect(cluster: Cluster, login: ClientLogin, options: MqttOptions): Promise<MqttClient> {
  const { host } = endpointOf(cluster, 'mqtt');
  const mqtt = await import('mqtt');
  try {
    return await mqtt.connectAsync(
      `mqtt://${host}`,
      {
        protocolVersion: 5,
        username: login.username,
        password: login.password,
        reconnectPeriod: 0,
        connectTimeout: CONNECT_MS_MAX,
        ...(options.clientId === undefined ? {} : { clientId: options.clientId }),
      },
      false,
    );
  } catch (error) {
    throw connectFailure(`mqtt://${host}`, error);
  }
}

async function pub(context: Context, topic: string, options: PubOptions): Promise<void> {
  const cluster = await context.cluster(options.cluster);
  await withClientLogin(context, cluster, options, async (login) => {
    const client = await connect(cluster, login, options);
    let published = 0;
    try {
      for await (const message of messagesOf(options.message, context.terminal.stdin)) {
        for (let n = 0; n < (options.count ?? 1); n++) {
          const ack = await client.publishAsync(topic, message, { qos: options.qos, retain: options.retain ?? false });
          const reason = (ack as { reasonCode?: number } | undefined)?.reasonCode ?? 0;
          if (reason >= 0x80)
            throw new Failure(EXIT.failed, `The cluster refused the message (reason code 0x${reason.toString(16)}).`);
          published++;
        }
      }
    } finally {
      await client.endAsync().catch(() => undefined);
    }
    context.terminal.note(`Published ${published} message${published === 1 ? '' : 's'} to ${topic}.`);
    await context.print({ topic, published, qos: options.qos, retain: options.retain ?? false }, () => '');
  });
}

/** Prints one message: its payload, with `--verbose` after its topic, or one JSON object on a line. */
function printMessage(
  context: Context,
  options: SubOptions,
  topic: string,
  payload: Buffer,
  qos: number,
  retain: boolean,
): void {
  if (context.format === 'table') {
    context.terminal.out(`${options.verbose ? `${topic} ` : ''}${payload.toString()}\n`);
    return;
  }
  const { value, encoding } = payloadJson(payload);
  const line = JSON.stringify({ topic, payload: value, encoding, qos, retain });
  context.terminal.out(context.format === 'json' ? `${line}\n` : `- ${line}\n`);
}

async function sub(context: Context, filter: string, options: SubOptions): Promise<void> {
  const cluster = await context.cluster(options.cluster);
  await withClientLogin(context, cluster, options, async (login) => {
    const client = await connect(cluster, login, options);
    const ended = Promise.withResolvers<void>();
    let received = 0;
    client.on('message', (topic, payload, packet) => {
      if (options.count !== undefined && received >= options.count) return;
      received++;
      printMessage(context, options, topic, payload, packet.qos, packet.retain);
      if (received === options.count) ended.resolve();
    });
    client.on('error', (error) => ended.reject(connectFailure(cluster.endpoints.mqtt ?? '', error)));
    client.on('close', () => ended.reject(new Failure(EXIT.failed, 'The connection was lost.')));
    const removeInterrupt = context.terminal.onInterrupt(() => ended.resolve());
    const timer =
      options.timeout === undefined
        ? undefined
        : setTimeout(() => {
            const wanted = options.count === undefined ? '' : ` of ${options.count}`;
            ended.reject(new Failure(EXIT.failed, `${received}${wanted} messages came within ${options.timeout} s.`));
          }, options.timeout * 1000);
    try {
      const [grant] = await client.subscribeAsync(filter, { qos: options.qos });
      if (grant && grant.qos >= 0x80)
        throw new Failure(EXIT.failed, `The cluster refused the subscription to ${filter}.`);
      context.terminal.note(`Subscribed to ${filter}.`);
      await ended.promise;
    } finally {
      clearTimeout(timer);
      removeInterrupt();
      ended.promise.catch(() => undefined);
      await client.endAsync().catch(() => undefined);
    }
  });
}

const common = (command: Command): Command =>
  command
    .option('-c, --cluster <id|name>')
    .addOption(
      new Option('-q, --qos <n>', 'quality of service')
        .choices(['0', '1', '2'])
        .argParser((text) => {
          return wholeNumber(0, 2)(text);
        })
        .default(0),
    )
    .option('--username <name>', 'default: ROBUSTMQ_USERNAME, else a temporary credential')
    .option('--password <password>', 'default: ROBUSTMQ_PASSWORD')
    .option('-i, --client-id <id>', 'MQTT client identifier');

/** pub and sub: MQTT. */
export function mqttCommands(kit: CommandKit): Command[] {
  const pubCommand = common(
    new Command('pub').description('publish over MQTT: every -m, else each line of stdin').argument('<topic>'),
  )
    .option('-m, --message <text>', 'message (may be repeated)', collect)
    .option('--retain', 'keep as the topic’s retained message')
    .addOption(new Option('--count <n>', 'publish each message so many times').argParser(wholeNumber(1, 1_000_000_000)))
    .action((topic: string, options: PubOptions, command: Command) =>
      kit.run(command, (context) => pub(context, topic, options)),
    );
  const subCommand = common(
    new Command('sub').description('print messages over MQTT until Ctrl-C').argument('<filter>'),
  )
    .option('-v, --verbose', 'print the topic before the message')
    .addOption(new Option('--count <n>', 'end after so many messages').argParser(wholeNumber(1, 1_000_000_000)))
    .addOption(new Option('--timeout <seconds>', 'fail when not done by then').argParser(seconds))
    .action((filter: string, options: SubOptions, command: Command) =>
      kit.run(command, (context) => sub(context, filter, options)),
    );
  return [pubCommand, subCommand];
}
