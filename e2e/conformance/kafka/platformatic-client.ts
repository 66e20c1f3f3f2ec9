import {
  AclOperations,
  AclPermissionTypes,
  Admin,
  alterUserScramCredentialsV0,
  ClientQuotaEntityTypes,
  ClientQuotaKeys,
  ClientQuotaMatchTypes,
  type CompressionAlgorithmValue,
  ConfigResourceTypes,
  Connection,
  Consumer,
  describeUserScramCredentialsV0,
  FetchIsolationLevels,
  GroupProtocols,
  IncrementalAlterConfigOperationTypes,
  ListOffsetTimestamps,
  type MessagesStream,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
  ResourcePatternTypes,
  ResourceTypes,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';

/** The name it has in the matrix: what its client id begins with. */
export const PLATFORMATIC = 'platformatic-kafka-2.12';
const HEARTBEAT_MS = 100;
const CODECS: readonly CompressionAlgorithmValue[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/** One stock client with its login, and what it does in the matrix. */
export class PlatformaticClient {
  readonly #login;

  constructor(broker: string, username: string, password: string) {
    this.#login = {
      clientId: `${PLATFORMATIC}/e2e`,
      bootstrapBrokers: [broker],
      sasl: { mechanism: 'SCRAM-SHA-512', username, password } as const,
      retries: 10,
      retryDelay: 100,
      strict: true,
    };
  }

  /** Creates, grows, configures, limits and trims what is its own; answers what it was told. */
  async administrate(): Promise<Record<string, unknown>> {
    const admin = new Admin(this.#login);
    const told: Record<string, unknown> = {};
    const topic = { resourceType: ConfigResourceTypes.TOPIC, resourceName: 'pf-gone' };
    try {
      await admin.createTopics({ topics: ['pf', 'pf-gone'], partitions: 1, replicas: 1 });
      await admin.createPartitions({ topics: [{ name: 'pf', count: 2, assignments: [] }] });
      await admin.alterConfigs({ resources: [{ ...topic, configs: [{ name: 'retention.ms', value: '86400000' }] }] });
      const configs = [
        { name: 'cleanup.policy', configOperation: IncrementalAlterConfigOperationTypes.APPEND, value: 'compact' },
      ];
      await admin.incrementalAlterConfigs({ resources: [{ ...topic, configs }] });
      const [described] = await admin.describeConfigs({ resources: [topic] });
      const valueOf = (name: string) => described!.configs.find((config) => config.name === name)!.value;
      told['configs'] = [valueOf('retention.ms'), valueOf('cleanup.policy')];
      await admin.deleteTopics({ topics: ['pf-gone'] });
      told['topics'] = (await admin.listTopics()).filter((name) => name.startsWith('pf'));
      const entityType = ClientQuotaEntityTypes.CLIENT_ID;
      const entities = [{ entityType, entityName: 'pf-limited' }];
      const ops = [{ key: ClientQuotaKeys.PRODUCER_BYTE_RATE, value: 1_000_000, remove: false as const }];
      await admin.alterClientQuotas({ entries: [{ entities, ops }] });
      const components = [{ entityType, matchType: ClientQuotaMatchTypes.EXACT, match: 'pf-limited' }];
      const [quota] = await admin.describeClientQuotas({ components });
      told['quota'] = quota!.values.map(({ value }) => value);
      const [logDirs] = await admin.describeLogDirs({ topics: [{ name: 'pf', partitions: [0, 1] }] });
      told['partitions on disk'] = logDirs!.results[0]!.topics[0]!.partitions.length;
      told['rules'] = await this.#rules(admin);
      told['users'] = await this.#users();
    } finally {
      await admin.close();
    }
    return told;
  }

  /** A rule made, found and deleted: how many were found, and how many deleted. */
  async #rules(admin: Admin): Promise<number[]> {
    const acl = {
      resourceType: ResourceTypes.TOPIC,
      resourceName: 'pf',
      resourcePatternType: ResourcePatternTypes.PREFIXED,
      principal: 'User:pf',
      host: '*',
      operation: AclOperations.READ,
      permissionType: AclPermissionTypes.ALLOW,
    };
    await admin.createAcls({ creations: [acl] });
    const found = await admin.describeAcls({ filter: acl });
    return [found.length, (await admin.deleteAcls({ filters: [acl] })).length];
  }

  /** A user made, described and removed: error code, iterations, error code. */
  async #users(): Promise<number[]> {
    const { clientId, sasl, bootstrapBrokers } = this.#login;
    const connection = new Connection(clientId, { sasl });
    const [host, port] = bootstrapBrokers[0]!.split(':');
    await connection.connect(host!, Number(port));
    try {
      const { async: alter } = alterUserScramCredentialsV0.api;
      const { async: describe } = describeUserScramCredentialsV0.api;
      const secret = { iterations: 4096, salt: Buffer.from('salt'), saltedPassword: Buffer.alloc(64, 7) };
      const made = await alter(connection, [], [{ name: 'pf', mechanism: 2, ...secret }]);
      const told = await describe(connection, [{ name: 'pf' }]);
      const removed = await alter(connection, [{ name: 'pf', mechanism: 2 }], []);
      const { iterations } = told.results[0]!.credentialInfos[0]!;
      return [made.results[0]!.errorCode, iterations, removed.results[0]!.errorCode];
    } finally {
      await connection.close();
    }
  }

  /** A record with each codec, from an idempotent producer. */
  async produce(): Promise<void> {
    const producer = new Producer({ ...this.#login, serializers: stringSerializers, idempotent: true });
    try {
      for (const compression of CODECS) {
        const values = Array.from({ length: 10 }, (_, i) => ({ value: `${compression} ${i}`, partition: i % 2 }));
        const messages = values.map((value) => ({ topic: 'pf', key: 'k', headers: { h: compression }, ...value }));
        await producer.send({ messages, compression, acks: ProduceAcks.ALL });
      }
    } finally {
      await producer.close();
    }
  }

  /** A transaction that copies what a group read so far, with the group's offset, and one that is aborted. */
  async transact(): Promise<void> {
    const transactionalId = 'pf-tx';
    const options = { ...this.#login, serializers: stringSerializers, idempotent: true, transactionalId };
    const producer = new Producer(options);
    const consumer = this.#consumer({ groupId: 'pf-copies', autocommit: false });
    try {
      const stream = await consumer.consume({ topics: ['pf'], mode: MessagesStreamModes.EARLIEST });
      const [message] = await take(stream, 1);
      for (const commits of [true, false]) {
        const transaction = await producer.beginTransaction();
        await transaction.addConsumer(consumer);
        await transaction.addOffset(message!);
        await transaction.send({ messages: [{ topic: 'pf', key: 'k', value: `committed ${commits}`, partition: 0 }] });
        await (commits ? transaction.commit() : transaction.abort());
      }
      await stream.close();
    } finally {
      await consumer.close(true);
      await producer.close();
    }
  }

  /** What a new group of that protocol reads, sorted; it leaves with its offsets committed. */
  async read(groupId: string, groupProtocol: 'classic' | 'consumer', count: number): Promise<readonly string[]> {
    const isClassic = groupProtocol === GroupProtocols.CLASSIC;
    const protocol = isClassic ? { heartbeatInterval: HEARTBEAT_MS } : { groupProtocol };
    const consumer = this.#consumer({ groupId, autocommit: false, ...protocol });
    // a short visit may be over before the first one is due
    const heartbeat = new Promise<void>((resolve) => void consumer.once('consumer:heartbeat:end', () => resolve()));
    const values: string[] = [];
    try {
      const stream = await consumer.consume({ topics: ['pf'], mode: MessagesStreamModes.EARLIEST });
      for (const message of await take(stream, count)) {
        values.push(message.value);
        await message.commit();
      }
      if (isClassic) await heartbeat;
      await stream.close();
    } finally {
      await consumer.close(true);
    }
    return values.toSorted();
  }

  /** Offsets and groups as they are told, trimmed, reset and deleted. */
  async lookBack(groupId: string): Promise<Record<string, unknown>> {
    const admin = new Admin(this.#login);
    try {
      const partitions = [0, 1].map((partitionIndex) => ({ partitionIndex, timestamp: ListOffsetTimestamps.EARLIEST }));
      await admin.deleteRecords({ topics: [{ name: 'pf', partitions: [{ partition: 0, offset: 3n }] }] });
      const [offsets] = await admin.listOffsets({ topics: [{ name: 'pf', partitions }] });
      const groups = await admin.listGroups();
      const described = await admin.describeGroups({ groups: [groupId] });
      const partitionOffsets = [{ partition: 1, offset: 2n }];
      await admin.alterConsumerGroupOffsets({ groupId, topics: [{ name: 'pf', partitionOffsets }] });
      const [committed] = await admin.listConsumerGroupOffsets({ groups: [groupId] });
      const reset = committed!.topics[0]!.partitions.find(({ partitionIndex }) => partitionIndex === 1)!;
      await admin.deleteConsumerGroupOffsets({ groupId, topics: [{ name: 'pf', partitionIndexes: [1] }] });
      await admin.deleteGroups({ groups: [groupId] });
      return {
        starts: offsets!.partitions.map(({ offset }) => Number(offset)),
        groups: [...groups.keys()].filter((id) => id.startsWith('pf-')).toSorted(),
        state: described.get(groupId)!.state,
        reset: Number(reset.committedOffset),
      };
    } finally {
      await admin.close();
    }
  }

  #consumer(options: { groupId: string; autocommit: boolean; groupProtocol?: 'consumer'; heartbeatInterval?: number }) {
    return new Consumer<string, string, string, string>({
      ...this.#login,
      maxWaitTime: 100,
      isolationLevel: FetchIsolationLevels.READ_COMMITTED,
      deserializers: stringDeserializers,
      ...options,
    });
  }
}

/** The next messages of a stream that stays open. */
async function take(stream: MessagesStream<string, string, string, string>, count: number) {
  const messages = [];
  for await (const message of stream.iterator({ destroyOnReturn: false })) {
    messages.push(message);
    if (messages.length === count) break;
  }
  return messages;
}
