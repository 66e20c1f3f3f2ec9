import type { Cluster } from '@robustmq/client';
import { Command, Option } from 'commander';
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs';
import { endpointOf, payloadJson, withClientLogin, type ClientLogin, type LoginOptions } from '../client-login.ts';
import type { Context } from '../context.ts';
import { EXIT, Failure } from '../failure.ts';
import { collect, messagesOf } from '../lines.ts';
import { seconds, wholeNumber } from '../numbers.ts';
import type { CommandKit } from '../program.ts';

interface KafkaOptions extends LoginOptions {
  cluster?: string;
}
interface ProduceOptions extends KafkaOptions {
  message?: string[];
  key?: string;
  count?: number;
}
interface ConsumeOptions extends KafkaOptions {
  group?: string;
  fromBeginning?: boolean;
  count?: number;
  timeout?: number;
  verbose?: boolean;
}

const BATCH_MESSAGES_MAX = 500;

/** kafkajs on Node 24 sets negative timers, of which Node warns; the warning tells our users nothing. */
export function hushTimerWarning(): void {
  const emit = process.emitWarning.bind(process) as (...args: unknown[]) => void;
  process.emitWarning = ((...args: unknown[]) => {
    if (args[1] !== 'TimeoutNegativeWarning') emit(...args);
  }) as typeof process.emitWarning;
}

async function open(cluster: Cluster, login: ClientLogin): Promise<Kafka> {
  const { host } = endpointOf(cluster, 'kafka');
  hushTimerWarning();
  const kafkajs = (await import('kafkajs')).default;
  return new kafkajs.Kafka({
    clientId: 'robust-ctl',
    brokers: [host],
    sasl: { mechanism: 'plain', username: login.username, password: login.password },
    connectionTimeout: 10_000,
    retry: { retries: 4, initialRetryTime: 200, maxRetryTime: 2_000 },
    logLevel: kafkajs.logLevel.NOTHING,
  });
}

/** The words for what kafkajs rejects with; it wraps the first cause in its retries. */
function kafkaFailure(cluster: Cluster, topic: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const chain: { name?: string; type?: string; message?: string; cause?: unknown; originalError?: unknown }[] = [];
  for (let at = error; typeof at === 'object' && at !== null && chain.length < 8;) {
    const link = at as (typeof chain)[number];
    chain.push(link);
    at = link.cause ?? link.originalError;
  }
  const has = (...words: string[]): boolean =>
    chain.some((link) => words.some((word) => link.name === word || link.type === word));
  const address = cluster.endpoints.kafka ?? '';
  if (has('KafkaJSSASLAuthenticationError', 'SASL_AUTHENTICATION_FAILED')) {
    return new Failure(
      EXIT.denied,
      `${address} refused the user name or password.`,
      'Make a credential: robust-ctl credential create NAME',
    );
  }
  if (has('TOPIC_AUTHORIZATION_FAILED', 'GROUP_AUTHORIZATION_FAILED')) {
    return new Failure(EXIT.denied, `This credential may not use ${topic}.`);
  }
  if (has('UNKNOWN_TOPIC_OR_PARTITION')) {
    return new Failure(
      EXIT.notFound,
      `Cluster "${cluster.name}" has no topic "${topic}".`,
      `Make it: robust-ctl topic create ${topic} --cluster ${cluster.name}`,
    );
  }
  return new Failure(
    EXIT.failed,
    `${address}: ${chain[0]?.message ?? String(error)}.`,
    'Is the cluster ready? robust-ctl cluster status',
  );
}

async function sendAll(context: Context, kafka: Kafka, topic: string, options: ProduceOptions): Promise<number> {
  const { Partitioners } = (await import('kafkajs')).default;
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  let sent = 0;
  let batch: { key: string | null; value: string }[] = [];
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    await producer.send({ topic, acks: -1, messages: batch });
    sent += batch.length;
    batch = [];
  };
  try {
    for await (const value of messagesOf(options.message, context.terminal.stdin)) {
      for (let n = 0; n < (options.count ?? 1); n++) {
        batch.push({ key: options.key ?? null, value });
        // A person typing wants each line sent; a pipe wants batches.
        if (batch.length >= BATCH_MESSAGES_MAX || (!options.message && context.terminal.stdinIsTty)) await flush();
      }
    }
    await flush();
  } finally {
    await producer.disconnect().catch(() => undefined);
  }
  return sent;
}

async function produce(context: Context, topic: string, options: ProduceOptions): Promise<void> {
  const cluster = await context.cluster(options.cluster);
  await withClientLogin(context, cluster, options, async (login) => {
    const kafka = await open(cluster, login);
    const produced = await sendAll(context, kafka, topic, options).catch((error: unknown) => {
      throw kafkaFailure(cluster, topic, error);
    });
    context.terminal.note(`Produced ${produced} record${produced === 1 ? '' : 's'} to ${topic}.`);
    await context.print({ topic, produced }, () => '');
  });
}

function printRecord(
  context: Context,
  options: ConsumeOptions,
  topic: string,
  partition: number,
  record: KafkaMessage,
): void {
  const key = record.key === null ? null : payloadJson(record.key).value;
  const value = record.value ?? Buffer.alloc(0);
  if (context.format === 'table') {
    context.terminal.out(`${options.verbose ? `${key ?? ''}\t` : ''}${value.toString()}\n`);
    return;
  }
  const headers = Object.fromEntries(
    Object.entries(record.headers ?? {}).map(([name, header]) => [
      name,
      String(Array.isArray(header) ? header[0] : header),
    ]),
  );
  const payload = record.value === null ? { value: null } : payloadJson(record.value);
  const line = JSON.stringify({
    topic,
    partition,
    offset: record.offset,
    timestamp: record.timestamp,
    key,
    ...payload,
    headers,
  });
  context.terminal.out(context.format === 'json' ? `${line}\n` : `- ${line}\n`);
}

/** Prints records until `--count`, `--timeout` or Ctrl-C. Only printed records count as consumed for the group. */
async function receive(context: Context, consumer: Consumer, topic: string, options: ConsumeOptions): Promise<void> {
  const ended = Promise.withResolvers<void>();
  let received = 0;
  const done = (): boolean => options.count !== undefined && received >= options.count;
  const eachBatch = async ({
    batch,
    resolveOffset,
    heartbeat,
    commitOffsetsIfNecessary,
    isStale,
  }: EachBatchPayload): Promise<void> => {
    for (const record of batch.messages) {
      if (done() || isStale()) break;
      printRecord(context, options, topic, batch.partition, record);
      received++;
      resolveOffset(record.offset);
    }
    await heartbeat();
    await commitOffsetsIfNecessary();
    if (done()) ended.resolve();
  };
  consumer.on('consumer.crash', ({ payload }) => {
    if (!payload.restart) ended.reject(payload.error);
  });
  consumer.on('consumer.group_join', () => context.terminal.note(`Consuming ${topic}.`));
  const removeInterrupt = context.terminal.onInterrupt(() => ended.resolve());
  const timer =
    options.timeout === undefined
      ? undefined
      : setTimeout(() => {
          const wanted = options.count === undefined ? '' : ` of ${options.count}`;
          ended.reject(new Failure(EXIT.failed, `${received}${wanted} records came within ${options.timeout} s.`));
        }, options.timeout * 1000);
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: options.fromBeginning ?? false });
    await consumer.run({ eachBatch, eachBatchAutoResolve: false, autoCommit: options.group !== undefined });
    await ended.promise;
  } finally {
    clearTimeout(timer);
    removeInterrupt();
    ended.promise.catch(() => undefined);
    await consumer.disconnect().catch(() => undefined);
  }
}

async function consume(context: Context, topic: string, options: ConsumeOptions): Promise<void> {
  const cluster = await context.cluster(options.cluster);
  await withClientLogin(context, cluster, options, async (login) => {
    const kafka = await open(cluster, login);
    // Without a group of their own, two runs must not share the topic's partitions.
    const groupId = options.group ?? `robust-ctl-${crypto.randomUUID()}`;
    const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 500 });
    await receive(context, consumer, topic, options).catch((error: unknown) => {
      throw kafkaFailure(cluster, topic, error);
    });
  });
}

const common = (command: Command): Command =>
  command
    .argument('<topic>')
    .option('-c, --cluster <id|name>')
    .option('--username <name>', 'default: ROBUSTMQ_USERNAME, else a temporary credential')
    .option('--password <password>', 'default: ROBUSTMQ_PASSWORD');

/** produce and consume: Kafka. */
export function kafkaCommands(kit: CommandKit): Command[] {
  const produceCommand = common(
    new Command('produce').description('produce over Kafka: every -m, else each line of stdin'),
  )
    .option('-m, --message <text>', 'record value (may be repeated)', collect)
    .option('-k, --key <text>', 'record key')
    .addOption(new Option('--count <n>', 'produce each record so many times').argParser(wholeNumber(1, 1_000_000_000)))
    .action((topic: string, options: ProduceOptions, command: Command) =>
      kit.run(command, (context) => produce(context, topic, options)),
    );
  const consumeCommand = common(new Command('consume').description('print records over Kafka until Ctrl-C'))
    .option('-g, --group <id>', 'consumer group, whose position is kept')
    .option('--from-beginning', 'start at the oldest record where the group has no position')
    .option('-v, --verbose', 'print the key before the value')
    .addOption(new Option('--count <n>', 'end after so many records').argParser(wholeNumber(1, 1_000_000_000)))
    .addOption(new Option('--timeout <seconds>', 'fail when not done by then').argParser(seconds))
    .action((topic: string, options: ConsumeOptions, command: Command) =>
      kit.run(command, (context) => consume(context, topic, options)),
    );
  return [produceCommand, consumeCommand];
}
