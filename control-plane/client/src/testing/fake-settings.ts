import { ClusterSettings, type AclRule, type BlacklistEntry, type RouteName } from '@robustmq/contracts';
import { clusterOf, page, Refusal, take, type Call } from './fake-call.ts';
import { nextId } from './fake-state.ts';

/** A merge patch good enough for tests: objects merge, everything else is replaced. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result = { ...(target as Record<string, unknown>) };
  for (const [key, value] of Object.entries(patch)) result[key] = merged(result[key], value);
  return result;
}

function write(call: Call, settings: unknown): object {
  const entry = clusterOf(call);
  const next = ClusterSettings.safeParse(settings);
  if (!next.success) throw new Refusal('validation-failed', 'Some settings are not valid.');
  const dryRun = call.query['dry_run'] === 'true';
  const answer = { revision: entry.settingsRevision + 1, settings: next.data, applied: !dryRun, changes: [], dryRun };
  if (!dryRun) Object.assign(entry, { settings: next.data, settingsRevision: answer.revision });
  return answer;
}

/** Settings, ACL rules and blacklist in memory. */
export const FAKE_SETTINGS = {
  getSettings: (call: Call) => {
    const { settings, settingsRevision: revision } = clusterOf(call);
    return { revision, settings, applied: true };
  },
  setSettings: (call: Call) => write(call, call.body),
  patchSettings: (call: Call) => write(call, merged(clusterOf(call).settings, call.body)),
  listAclRules: (call: Call) => {
    const { rules, whenNoRuleMatches } = clusterOf(call).settings.acl;
    return { ...page(rules, call), whenNoRuleMatches };
  },
  createAclRule: (call: Call) => {
    const rule = { id: nextId(call.state), ...call.body } as AclRule;
    clusterOf(call).settings.acl.rules.push(rule);
    return rule;
  },
  deleteAclRule: (call: Call) =>
    void take(clusterOf(call).settings.acl.rules, (rule) => rule.id === call.params['ruleId']),
  listBlacklist: (call: Call) => page(clusterOf(call).settings.blacklist, call),
  createBlacklistEntry: (call: Call) => {
    const entry = { id: nextId(call.state), ...call.body } as BlacklistEntry;
    clusterOf(call).settings.blacklist.push(entry);
    return entry;
  },
  deleteBlacklistEntry: (call: Call) =>
    void take(clusterOf(call).settings.blacklist, (entry) => entry.id === call.params['entryId']),
} satisfies Partial<Record<RouteName, (call: Call) => unknown>>;

const rowsOf = (route: RouteName) => (call: Call) => ({ items: clusterOf(call).live[route] ?? [] });
const gone = (route: RouteName, key: string, param: string) => (call: Call) =>
  void take(
    clusterOf(call).live[route] ?? [],
    (row) => (row as Record<string, unknown>)[key] === (call.params[param] ?? call.query[param]),
  );

/** Live looks answer what the test put into `FakeCluster.live`. */
export const FAKE_LIVE = {
  listClients: rowsOf('listClients'),
  kickClient: gone('listClients', 'clientId', 'clientId'),
  listSessions: rowsOf('listSessions'),
  endSession: gone('listSessions', 'clientId', 'clientId'),
  listInbox: rowsOf('listInbox'),
  clearInbox: (call: Call) => void clusterOf(call).live.listInbox?.splice(0),
  listSubscriptions: rowsOf('listSubscriptions'),
  listRetained: rowsOf('listRetained'),
  deleteRetained: gone('listRetained', 'topic', 'topic'),
  listEvents: rowsOf('listEvents'),
  explainAccess: (call: Call) => {
    const { rules, whenNoRuleMatches } = clusterOf(call).settings.acl;
    const rule = rules.find(({ pattern }) => pattern === call.query['name']) ?? null;
    const allowed = (rule?.effect ?? whenNoRuleMatches) === 'allow';
    return { allowed, ruleId: rule?.id ?? null, rule, whenNoRuleMatches };
  },
  listGroups: rowsOf('listGroups'),
  resetOffsets: (call: Call) => ({
    offsets: [{ partition: 0, offset: call.body['to'] === 'earliest' ? 0 : 10 }],
  }),
  forecastTopicTiers: (call: Call) => ({
    ...{ topic: call.params['topicName'], days: 30, notes: ['List prices.'] },
    observed: { storedBytes: 5, bytesPerDay: 1, since: null, partitions: 1 },
    options: [
      ...[
        { kind: 'present', coldAfterDays: null },
        { kind: 'cold-after', coldAfterDays: 7 },
      ].map((one) => ({
        ...{ ...one, warmByteSeconds: '1', coldByteSeconds: '2', objectRequests: '3' },
        amount: { amount: '1234', currency: 'USD' },
      })),
    ],
  }),
  getTopicTiers: (call: Call) => ({ partitions: clusterOf(call).live.getTopicTiers ?? [] }),
} satisfies Partial<Record<RouteName, (call: Call) => unknown>>;
