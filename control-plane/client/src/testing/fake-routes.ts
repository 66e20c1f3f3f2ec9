import { randomBytes } from 'node:crypto';
import { permissionsOf, type Role, type RouteName } from '@robustmq/contracts';
import { clusterOf, page, Refusal, take, type Call } from './fake-call.ts';
import { FAKE_LIVE, FAKE_SETTINGS } from './fake-settings.ts';
import { fakeInvoice, fakePrices, fakeUsage } from './fake-metering.ts';
import { clusterNow, newCluster, nextId, type FakeCluster, type FakeState, type FakeTenant } from './fake-state.ts';

const secret = (prefix: string): string => prefix + randomBytes(12).toString('hex');
const text = (value: unknown): string => value as string;

function tenantsOf(
  state: FakeState,
  userId: string,
): { id: string; name: string; role: Role; permissions: string[] }[] {
  return state.tenants.flatMap(({ id, name, members }) => {
    const member = members.find((m) => m.userId === userId);
    return member ? [{ id, name, role: member.role, permissions: [...permissionsOf(member.role)] }] : [];
  });
}

function userOf(state: FakeState, userId: string): { id: string; email: string } {
  const member = state.tenants.flatMap((tenant) => tenant.members).find((m) => m.userId === userId);
  return { id: userId, email: member?.email ?? 'api-key' };
}

function session(state: FakeState, userId: string): object {
  const accessToken = secret('at_');
  const refreshToken = secret('rt_');
  state.access.set(accessToken, userId);
  state.refresh.set(refreshToken, userId);
  return { accessToken, refreshToken, expiresIn: 900, user: userOf(state, userId), tenants: tenantsOf(state, userId) };
}

const auth = {
  signup: ({ state, body }: Call) => {
    const email = text(body['email']);
    if (state.tenants.some((tenant) => tenant.members.some((m) => m.email === email))) {
      throw new Refusal('conflict', 'Somebody has signed up with this address.');
    }
    const userId = nextId(state);
    const createdAt = new Date().toISOString();
    const owner = { userId, email, role: 'owner', createdAt, password: text(body['password']) };
    state.tenants.push({
      id: nextId(state),
      name: text(body['tenantName']),
      createdAt,
      members: [owner as unknown as FakeTenant['members'][number]],
      apiKeys: [],
      clusters: [],
      deleted: [],
      audit: [],
    });
    return session(state, userId);
  },
  login: ({ state, body }: Call) => {
    const member = state.tenants
      .flatMap((tenant) => tenant.members)
      .find((m) => m.email === body['email'] && m.password === body['password']);
    if (!member) throw new Refusal('invalid-login', 'The e-mail address or the password is wrong.');
    return session(state, member.userId);
  },
  refresh: ({ state, body }: Call) => {
    const userId = state.refresh.get(text(body['refreshToken']));
    if (userId === undefined) throw new Refusal('unauthenticated', 'The session is over.');
    state.refresh.delete(text(body['refreshToken']));
    return session(state, userId);
  },
  logout: ({ state, body }: Call) => void state.refresh.delete(text(body['refreshToken'])),
  me: ({ state, userId }: Call) => ({ user: userOf(state, userId), tenants: tenantsOf(state, userId) }),
};

const people = {
  getTenant: ({ tenant: { id, name, createdAt } }: Call) => ({ id, name, createdAt }),
  listMembers: (call: Call) =>
    page(
      call.tenant.members.map(({ password: _, ...member }) => member),
      call,
    ),
  addMember: ({ state, tenant, body }: Call) => {
    const known = state.tenants.flatMap((t) => t.members).find((m) => m.email === body['email']);
    if (!known) throw new Refusal('not-found', 'Nobody has an account with this address.');
    if (tenant.members.some((m) => m.userId === known.userId))
      throw new Refusal('conflict', 'They are a member already.');
    const member = { ...known, role: body['role'] as Role, createdAt: new Date().toISOString() };
    tenant.members.push(member);
    return member;
  },
  updateMember: ({ tenant, params, body }: Call) => {
    const member = tenant.members.find((m) => m.userId === params['userId']);
    if (!member) throw new Refusal('not-found', 'There is no such member.');
    if (
      member.role === 'owner' &&
      body['role'] !== 'owner' &&
      tenant.members.filter((m) => m.role === 'owner').length === 1
    ) {
      throw new Refusal('conflict', 'The last owner of a tenant stays its owner.');
    }
    member.role = body['role'] as Role;
    return member;
  },
  removeMember: ({ tenant, params }: Call) => {
    const owners = tenant.members.filter((m) => m.role === 'owner');
    if (owners.length === 1 && owners[0]!.userId === params['userId'])
      throw new Refusal('conflict', 'The last owner stays.');
    take(tenant.members, (m) => m.userId === params['userId']);
  },
  listApiKeys: (call: Call) =>
    page(
      call.tenant.apiKeys.map(({ key: _, ...apiKey }) => apiKey),
      call,
    ),
  createApiKey: ({ state, tenant, body }: Call) => {
    const key = secret('rmq_');
    const apiKey = {
      id: nextId(state),
      name: text(body['name']),
      role: body['role'] as Role,
      prefix: key.slice(0, 10),
      createdAt: new Date().toISOString(),
      expiresAt: (body['expiresAt'] as string | undefined) ?? null,
      lastUsedAt: null,
      key,
    };
    tenant.apiKeys.push(apiKey);
    return apiKey;
  },
  deleteApiKey: ({ tenant, params }: Call) => void take(tenant.apiKeys, (key) => key.id === params['apiKeyId']),
  listAuditEvents: (call: Call) => page(call.tenant.audit, call),
};

function topicOf(call: Call): FakeCluster['topics'][number] {
  const found = clusterOf(call).topics.find((topic) => topic.name === call.params['topicName']);
  if (!found) throw new Refusal('not-found', 'There is no such topic.');
  return found;
}

const clusters = {
  listClusters: (call: Call) =>
    page(
      (call.query['deleted'] === 'true' ? call.tenant.deleted : call.tenant.clusters)
        .map((entry) => clusterNow(call.state, entry))
        .filter((cluster) => call.query['name'] === undefined || cluster.name === call.query['name']),
      call,
    ),
  createCluster: ({ state, tenant, body }: Call) => {
    const name = text(body['name']);
    if (tenant.clusters.some((entry) => entry.cluster.name === name)) {
      throw new Refusal('name-taken', `There is a cluster "${name}" already.`, [
        { pointer: '/name', detail: 'is taken' },
      ]);
    }
    const entry = newCluster(state, tenant.id, name, body['plan'] as 'serverless' | 'dedicated', text(body['region']));
    tenant.clusters.push(entry);
    return entry.cluster;
  },
  getCluster: (call: Call) => clusterNow(call.state, clusterOf(call)),
  updateCluster: (call: Call) => {
    const entry = clusterOf(call);
    Object.assign(entry.cluster, call.body, { version: entry.cluster.version + 1 });
    return clusterNow(call.state, entry);
  },
  pauseCluster: (call: Call) => {
    clusterOf(call).cluster.pausedAt = new Date().toISOString();
    return clusterNow(call.state, clusterOf(call));
  },
  resumeCluster: (call: Call) => {
    clusterOf(call).cluster.pausedAt = null;
    return clusterNow(call.state, clusterOf(call));
  },
  restoreCluster: (call: Call) => {
    const entry = take(call.tenant.deleted, (other) => other.cluster.id === call.params['clusterId']);
    entry.cluster.restoreUntil = null;
    call.tenant.clusters.push(entry);
    return clusterNow(call.state, entry);
  },
  deleteCluster: (call: Call) => {
    const entry = clusterOf(call);
    if (entry.cluster.deletionProtection) throw new Refusal('conflict', 'The cluster is protected.');
    const days = Number(call.query['restore_days'] ?? 7);
    if (days > 0) {
      entry.cluster.restoreUntil = new Date(Date.now() + days * 86_400_000).toISOString();
      call.tenant.deleted.push(entry);
    }
    take(call.tenant.clusters, (other) => other === entry);
    return { ...clusterNow(call.state, entry), phase: 'Deleting' };
  },
  listCredentials: (call: Call) => page(clusterOf(call).credentials, call),
  createCredential: (call: Call) => {
    const { cluster, credentials } = clusterOf(call);
    const name = text(call.body['name']);
    if (credentials.some((c) => c.name === name))
      throw new Refusal('name-taken', `There is a credential "${name}" already.`);
    const credential = {
      id: nextId(call.state),
      name,
      username: `${name}@${cluster.key}`,
      propagated: true,
      createdAt: new Date().toISOString(),
    };
    credentials.push(credential as unknown as FakeCluster['credentials'][number]);
    return { ...credential, propagated: false, password: secret('') };
  },
  deleteCredential: (call: Call) => void take(clusterOf(call).credentials, (c) => c.id === call.params['credentialId']),
  listTopics: (call: Call) => page(clusterOf(call).topics, call),
  createTopic: (call: Call) => {
    const { topics } = clusterOf(call);
    const name = text(call.body['name']);
    if (topics.some((topic) => topic.name === name))
      throw new Refusal('name-taken', `There is a topic "${name}" already.`);
    const topic = {
      ...call.body,
      name,
      partitions: call.body['partitions'] as number,
      origin: 'api' as const,
      ready: true,
      storedBytes: 0,
    };
    topics.push(topic);
    return topic;
  },
  getTopic: (call: Call) => topicOf(call),
  updateTopic: (call: Call) => Object.assign(topicOf(call), call.body),
  deleteTopic: (call: Call) => void take(clusterOf(call).topics, (topic) => topic.name === call.params['topicName']),
};

const money = {
  getUsage: ({ tenant, query }: Call) => fakeUsage(tenant, query),
  previewInvoice: ({ tenant }: Call) => fakeInvoice(tenant),
  listPrices: () => fakePrices(),
};

/** What answers each route; a route that is not here answers `unavailable`, as one whose other half is away. */
export const HANDLERS: Partial<Record<RouteName, (call: Call) => unknown>> = {
  ...auth,
  ...people,
  ...clusters,
  ...money,
  ...FAKE_SETTINGS,
  ...FAKE_LIVE,
};
