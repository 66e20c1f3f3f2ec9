import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { AclRule, Commit } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { CreateAcls, DeleteAcls, DescribeAcls } from '../messages/security.ts';
import type { Decoded } from '../schema.ts';
import { CLUSTER } from './transactions.ts';

/** Numbers of Kafka's enums for ACLs; 0 is unknown, 1 is any. */
const ANY = 1;
const RESOURCE = { topic: 2, group: 3, cluster: 4, 'transactional-id': 5 } as const;
const OPERATION = { all: 2, read: 3, write: 4, create: 5, delete: 6, alter: 7, describe: 8 } as const;
const PATTERN = { any: ANY, match: 2, literal: 3, prefix: 4 } as const;
const PERMISSION = { deny: 2, allow: 3 } as const;

/** What a client is told that may not change who may do what. */
export const NOT_DELEGATED =
  'a rule of the cluster, set in the portal, with robust-ctl or over REST, must allow the principal to alter the cluster';
const OF_THE_OWNER = 'the rule was set in the portal, with robust-ctl or over REST, and is removed there';
const NAME_LENGTH_MAX = 249;
const USER = 'User:';

interface Acl {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly patternType: number;
  readonly principal: string;
  readonly host: string;
  readonly operation: number;
  readonly permissionType: number;
}

/** A rule of the cluster as Kafka would say it; MQTT filters have no such form. */
function aclsOf(rule: AclRule): Acl[] {
  if (rule.patternType === 'filter' || rule.protocols?.includes('kafka') === false) return [];
  const hosts = rule.addresses ?? ['*'];
  return rule.actions.flatMap((action) =>
    hosts.map((host) => ({
      resourceType: RESOURCE[rule.resource],
      resourceName: rule.pattern,
      patternType: rule.patternType === 'prefix' ? PATTERN.prefix : PATTERN.literal,
      principal: `User:${rule.principal}`,
      host,
      operation: OPERATION[action],
      permissionType: PERMISSION[rule.effect],
    })),
  );
}

type Filter = Decoded<typeof DescribeAcls.request>;

function matches(filter: Filter, acl: Acl): boolean {
  const is = (wanted: number, value: number): boolean => wanted === ANY || wanted === value;
  const named = (wanted: string | null, value: string): boolean => wanted === null || wanted === value;
  return (
    is(filter.resourceTypeFilter, acl.resourceType) &&
    is(filter.operation, acl.operation) &&
    is(filter.permissionType, acl.permissionType) &&
    named(filter.principalFilter, acl.principal) &&
    named(filter.hostFilter, acl.host) &&
    matchesName(filter, acl)
  );
}

function matchesName({ resourceNameFilter: name, patternTypeFilter: pattern }: Filter, acl: Acl): boolean {
  if (pattern !== PATTERN.match) {
    return (pattern === PATTERN.any || pattern === acl.patternType) && (name === null || name === acl.resourceName);
  }
  if (name === null || acl.resourceName === '*') return true;
  return acl.patternType === PATTERN.prefix ? name.startsWith(acl.resourceName) : name === acl.resourceName;
}

/** DescribeAcls: the cluster's rules, as far as they concern Kafka. */
export function handleDescribeAcls(request: Filter, call: Call<typeof DescribeAcls.response>): void {
  if (!call.allows('describe', 'cluster', CLUSTER)) {
    return call.reply({ errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED, resources: [] });
  }
  const resources = new Map<string, { resourceType: number; resourceName: string; patternType: number; acls: Acl[] }>();
  const { settings, delegated } = call.session.namespace;
  for (const acl of [...settings.acl.rules, ...(delegated?.rules() ?? [])].flatMap(aclsOf)) {
    if (!matches(request, acl)) continue;
    const { resourceType, resourceName, patternType } = acl;
    const key = `${resourceType} ${patternType} ${resourceName}`;
    const known = resources.get(key);
    if (known === undefined) resources.set(key, { resourceType, resourceName, patternType, acls: [acl] });
    else known.acls.push(acl);
  }
  call.reply({ errorCode: ERROR.NONE, resources: [...resources.values()] });
}

/** Whether the connection may change who may do what; not only by the lack of rules. */
export function mayDelegate(call: Call): boolean {
  const { namespace, connection } = call.session;
  return namespace.delegated?.mayChange(connection) === true;
}

type Creation = Decoded<typeof CreateAcls.request>['creations'][number];

/** The rule a binding stands for, or a sentence why there is none. Its id says what it says, so a repeat changes nothing. */
function ruleOf(creation: Creation): AclRule | string {
  const resource = keyOf(RESOURCE, creation.resourceType);
  if (resource === undefined) return 'rules are of topics, groups, transactional ids and the cluster';
  const patternType = creation.resourcePatternType === PATTERN.prefix ? 'prefix' : 'literal';
  if (patternType === 'literal' && creation.resourcePatternType !== PATTERN.literal) {
    return 'the pattern of a rule is literal or a prefix';
  }
  const { resourceName, principal, host } = creation;
  if (resourceName === '' || resourceName.length > NAME_LENGTH_MAX)
    return `a name has 1 to ${NAME_LENGTH_MAX} characters`;
  // the cluster's own rules have placeholders, which would mean something else here
  if (/[{}]/.test(resourceName)) return 'a name has no braces';
  if (resource === 'cluster' && resourceName !== CLUSTER) return `the cluster is called ${CLUSTER}`;
  const action = keyOf(OPERATION, creation.operation);
  if (action === undefined) return 'the operation is not asked for here, so a rule about it would mean nothing';
  const effect = keyOf(PERMISSION, creation.permissionType);
  if (effect === undefined) return 'a rule allows or denies';
  if (!principal.startsWith(USER) || principal.length === USER.length) return 'a principal is User: and a name';
  if (principal.length > NAME_LENGTH_MAX) return `a principal has at most ${NAME_LENGTH_MAX} characters`;
  if (host !== '*' && isIP(host) === 0) return 'a host is * or an address';
  const said = [resource, patternType, resourceName, principal, host, action, effect];
  return {
    id: `kafka-${createHash('sha256').update(JSON.stringify(said)).digest('hex').slice(0, 32)}`,
    effect,
    principal: principal.slice(USER.length),
    resource,
    pattern: resourceName,
    patternType,
    actions: [action],
    ...(host === '*' ? {} : { addresses: [host] }),
  };
}

function keyOf<K extends string>(numbers: Readonly<Record<K, number>>, value: number): K | undefined {
  return (Object.keys(numbers) as K[]).find((key) => numbers[key] === value);
}

/** CreateAcls: rules beside those of the cluster's owner, in force on every protocol; answered when they are stable. */
export function handleCreateAcls(
  request: Decoded<typeof CreateAcls.request>,
  call: Call<typeof CreateAcls.response>,
): void {
  const { namespace, connection } = call.session;
  const commits: Commit[] = [];
  // asked for each: one of them may take the right away
  const results = request.creations.map((creation) => {
    if (!mayDelegate(call)) return { errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED, errorMessage: NOT_DELEGATED };
    const rule = ruleOf(creation);
    if (typeof rule === 'string') return { errorCode: ERROR.INVALID_REQUEST, errorMessage: rule };
    const outcome = namespace.delegated!.addRule(rule, connection);
    if (typeof outcome === 'string') return { errorCode: ERROR.POLICY_VIOLATION, errorMessage: outcome };
    commits.push(outcome);
    call.connection.event('protocol', 'acl-created', spoken(creation));
    return { errorCode: ERROR.NONE as ErrorCode, errorMessage: null };
  });
  const failed = { errorCode: ERROR.KAFKA_STORAGE_ERROR, errorMessage: 'the rules could not be stored' };
  whenStable(commits, (isStable) => call.reply({ results: isStable ? results : results.map(() => failed) }));
}

function spoken({
  principal,
  operation,
  permissionType,
  resourceType,
  resourceName,
  host,
}: Omit<Acl, 'patternType'>): string {
  const what = `${keyOf(RESOURCE, resourceType)} ${resourceName}`;
  return `${principal} from ${host}: ${keyOf(PERMISSION, permissionType)} ${keyOf(OPERATION, operation)} on ${what}`;
}

/** DeleteAcls: what clients made; the owner's rules that match are told with an error each. */
export function handleDeleteAcls(
  request: Decoded<typeof DeleteAcls.request>,
  call: Call<typeof DeleteAcls.response>,
): void {
  const { namespace } = call.session;
  const commits: Commit[] = [];
  const filterResults = request.filters.map((filter) => {
    if (!mayDelegate(call)) {
      return { errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED, errorMessage: NOT_DELEGATED, matchingAcls: [] };
    }
    const owners = namespace.settings.acl.rules
      .flatMap(aclsOf)
      .filter((acl) => matches(filter, acl))
      .map((acl) => ({ ...acl, errorCode: ERROR.POLICY_VIOLATION as ErrorCode, errorMessage: OF_THE_OWNER }));
    const removed = namespace.delegated!.rules().flatMap((rule) => {
      const [acl] = aclsOf(rule);
      if (acl === undefined || !matches(filter, acl)) return [];
      const commit = namespace.delegated!.removeRule(rule.id);
      if (commit !== null) commits.push(commit);
      call.connection.event('protocol', 'acl-deleted', spoken(acl));
      return [{ ...acl, errorCode: ERROR.NONE as ErrorCode, errorMessage: null }];
    });
    return { errorCode: ERROR.NONE as ErrorCode, errorMessage: null, matchingAcls: [...owners, ...removed] };
  });
  const failed = { errorCode: ERROR.KAFKA_STORAGE_ERROR, errorMessage: 'not stored', matchingAcls: [] };
  whenStable(commits, (isStable) =>
    call.reply({ filterResults: isStable ? filterResults : filterResults.map(() => failed) }),
  );
}

/** Calls `done` once all are settled, with whether all are stable. */
export function whenStable(commits: readonly Commit[], done: (isStable: boolean) => void): void {
  let waiting = commits.length + 1;
  let isStable = true;
  const settled = (error: Error | null): void => {
    isStable &&= error === null;
    if (--waiting === 0) done(isStable);
  };
  for (const commit of commits) commit.onSettled(settled);
  settled(null);
}
