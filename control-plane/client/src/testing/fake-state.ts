import {
  ClusterSettings,
  DEFAULT_QUOTAS,
  type ApiKeyCreated,
  type Cluster,
  type Credential,
  type Member,
  type RouteName,
} from '@robustmq/contracts';

/** A stored cluster and what belongs to it. */
export interface FakeCluster {
  cluster: Cluster;
  credentials: Credential[];
  topics: { name: string; partitions: number; origin: 'api' | 'client'; ready: boolean; storedBytes: number }[];
  readyAtMs: number;
  settings: ClusterSettings;
  settingsRevision: number;
  /** What live looks answer, by route: `listClients` → rows. */
  live: Partial<Record<RouteName, unknown[]>>;
}

export interface FakeTenant {
  id: string;
  name: string;
  createdAt: string;
  members: ((typeof Member)['_output'] & { password: string })[];
  apiKeys: (typeof ApiKeyCreated)['_output'][];
  clusters: FakeCluster[];
  /** Deleted, and can be restored. */
  deleted: FakeCluster[];
  audit: Record<string, unknown>[];
}

export interface FakeState {
  tenants: FakeTenant[];
  /** Access token → user id. */
  access: Map<string, string>;
  /** Refresh token → user id; a rotated one is gone. */
  refresh: Map<string, string>;
  /** Endpoints new clusters get. */
  endpoints: Cluster['endpoints'];
  /** Milliseconds from create to Ready. */
  readyAfterMs: number;
  count: number;
}

/** UUIDs of version 7 form that sort by creation. */
export function nextId(state: FakeState): string {
  state.count++;
  return `01934f00-0000-7000-8000-${state.count.toString(16).padStart(12, '0')}`;
}

/** A cluster as the API would answer it now: `Pending` until its time, then `Ready`. */
export function clusterNow(state: FakeState, entry: FakeCluster): Cluster {
  const ready = Date.now() >= entry.readyAtMs;
  const { cluster } = entry;
  if (cluster.phase === 'Failed' || cluster.phase === 'Deleting') return cluster;
  const status = ready ? 'True' : 'False';
  const since = cluster.createdAt;
  return {
    ...cluster,
    phase: cluster.pausedAt === null ? (ready ? 'Ready' : 'Provisioning') : 'Paused',
    observedGeneration: ready ? cluster.generation : 0,
    endpoints: ready ? state.endpoints : {},
    conditions: [
      {
        type: 'AgentConnected',
        status: 'True',
        reason: 'Connected',
        message: 'The agent of region local is connected.',
        since,
      },
      {
        type: 'SpecApplied',
        status,
        reason: ready ? 'Applied' : 'Applying',
        message: ready ? 'The node serves generation 1.' : 'The node is being told.',
        since,
      },
      {
        type: 'EndpointsReachable',
        status,
        reason: ready ? 'Answering' : 'NotYet',
        message: ready ? 'All endpoints answer.' : 'No endpoint answers yet.',
        since,
      },
      { type: 'Ready', status, reason: ready ? 'Ready' : 'Provisioning', message: '', since },
    ],
  };
}

const untouched = (): Pick<FakeCluster, 'settings' | 'settingsRevision' | 'live'> => ({
  settings: ClusterSettings.parse({}),
  settingsRevision: 0,
  live: {},
});

export function newCluster(
  state: FakeState,
  tenantId: string,
  name: string,
  plan: 'serverless' | 'dedicated',
  region: string,
): FakeCluster {
  const id = nextId(state);
  const cluster = {
    id,
    tenantId,
    name,
    key: `${name}-${id.slice(-6).replaceAll('0', 'q')}`,
    plan,
    region,
    phase: 'Pending',
    generation: 1,
    observedGeneration: 0,
    conditions: [],
    endpoints: {},
    quotas: DEFAULT_QUOTAS[plan],
    labels: {},
    deletionProtection: false,
    pausedAt: null,
    restoreUntil: null,
    version: 1,
    lastError: null,
    createdAt: new Date().toISOString(),
  } as unknown as Cluster;
  return { cluster, credentials: [], topics: [], readyAtMs: Date.now() + state.readyAfterMs, ...untouched() };
}
