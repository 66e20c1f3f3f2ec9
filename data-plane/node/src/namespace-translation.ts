import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { CreateTopic, NamespaceConfig, NamespaceObservation } from '@robustmq/broker';
import {
  ClusterSettings,
  type ClusterId,
  type CredentialSpec,
  type NamespaceObserved,
  type NamespaceSpec,
  type TopicSpec,
} from '@robustmq/contracts/data-plane';
import { standaloneQuotas, type StandaloneConfig } from './config.ts';

/** The one place where the control plane's words become the broker's and back. */

const SALT_BYTES = 16;

/** A cluster as its agent wants it. Bare user names reach it where the listener belongs to it (`ListenerInfo`). */
export function fromSpec(spec: NamespaceSpec): NamespaceConfig {
  return {
    id: spec.clusterId,
    tenantId: spec.tenantId,
    name: spec.key,
    generation: spec.generation,
    quotas: spec.quotas,
    allowAnonymous: false,
    isDefault: false,
    autoCreateTopics: true,
    credentials: spec.credentials.map(fromCredentialSpec),
    topics: spec.topics.map(fromTopicSpec),
    topicsRemoved: spec.topicsRemoved,
    settings: spec.settings,
    suspended: spec.suspended,
    relocation: spec.relocation ?? null,
    growthStopped: spec.growthStopped ?? null,
  };
}

function fromTopicSpec({
  name,
  partitions,
  durability,
  retentionMs,
  retentionBytes,
  ...policy
}: TopicSpec): CreateTopic {
  return { name, partitions, durability, retentionMs, retentionBytes, ...givenPolicy(policy) };
}
/** Without the fields that are there and undefined, which the broker takes for values. */
function givenPolicy({ bindings, engine, cleanup, compaction, tier }: TopicPolicyFields): Partial<CreateTopic> {
  const given = Object.entries({ bindings, engine, cleanup, compaction, tier });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}
type TopicPolicyFields = Pick<TopicSpec, 'bindings' | 'engine' | 'cleanup' | 'compaction' | 'tier'>;

function fromCredentialSpec({ name, verifiers }: CredentialSpec): NamespaceConfig['credentials'][number] {
  const { sha256, scramSha256, scramSha512 } = verifiers;
  return { name, sha256, scramSha256, scramSha512 };
}

/** A namespace as the agent is told about it. The agent itself finds out whether endpoints can be reached. */
export function toObserved(observation: NamespaceObservation): NamespaceObserved {
  return {
    clusterId: observation.id as ClusterId,
    observedGeneration: observation.observedGeneration,
    phase: 'ready',
    endpointsReachable: false,
    topics: observation.topics.map(({ name, partitions, storedBytes }) => ({ name, partitions, storedBytes })),
    connections: observation.connections,
  };
}

/** A namespace of a standalone node. Its name is its id, so that its data is found again under the same name. */
export function fromStandalone(
  space: StandaloneConfig['namespaces'][number],
  durability: StandaloneConfig['journal']['durability'],
): NamespaceConfig {
  return {
    id: space.name,
    tenantId: 'standalone',
    name: space.name,
    generation: 1,
    quotas: standaloneQuotas(space.quotas),
    allowAnonymous: space.allowAnonymous,
    isDefault: space.default,
    autoCreateTopics: space.autoCreateTopics,
    credentials: space.credentials.map(({ username, password }) => ({
      name: username,
      sha256: verifierOf(password),
      scramSha256: scramVerifierOf(password, 'sha256'),
      scramSha512: scramVerifierOf(password, 'sha512'),
    })),
    topics: space.topics.map(({ name, partitions, retentionMs, retentionBytes, ...policy }) => ({
      ...{ name, partitions, retentionMs, retentionBytes, ...givenPolicy(policy) },
      durability: policy.durability ?? durability,
    })),
    topicsRemoved: [],
    settings: space.settings ?? ClusterSettings.parse({}),
    suspended: null,
  };
}

/** SHA-256(salt ‖ password), as the control plane makes it. The password itself is kept nowhere. */
function verifierOf(password: string): { salt: string; hash: string } {
  const salt = randomBytes(SALT_BYTES);
  const hash = createHash('sha256').update(salt).update(password).digest('base64');
  return { salt: salt.toString('base64'), hash };
}

const SCRAM_ITERATIONS = 4096;

/** RFC 5802 §3. */
function scramVerifierOf(password: string, hash: 'sha256' | 'sha512') {
  const salt = randomBytes(SALT_BYTES);
  const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, hash === 'sha256' ? 32 : 64, hash);
  const clientKey = createHmac(hash, salted).update('Client Key').digest();
  return {
    salt: salt.toString('base64'),
    iterations: SCRAM_ITERATIONS,
    storedKey: createHash(hash).update(clientKey).digest('base64'),
    serverKey: createHmac(hash, salted).update('Server Key').digest('base64'),
  };
}

/** A namespace that has data here but is not in the file any more: nobody may connect, and nothing is deleted. */
export function closedNamespace(observation: NamespaceObservation): NamespaceConfig {
  return {
    id: observation.id,
    tenantId: observation.tenantId,
    name: observation.name,
    generation: observation.observedGeneration,
    quotas: standaloneQuotas({}),
    allowAnonymous: false,
    isDefault: false,
    autoCreateTopics: false,
    credentials: [],
    topics: [],
    topicsRemoved: [],
  };
}
