import type { AclRule } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR } from '../errors.ts';
import type {
  AlterUserScramCredentials,
  CreateAcls,
  DeleteAcls,
  DescribeAcls,
  DescribeUserScramCredentials,
} from '../messages/security.ts';
import type { Decoded } from '../schema.ts';
import { CLUSTER } from './transactions.ts';

/** Numbers of Kafka's enums for ACLs; 0 is unknown, 1 is any. */
const ANY = 1;
const RESOURCE = { topic: 2, group: 3, cluster: 4, 'transactional-id': 5 } as const;
const OPERATION = { all: 2, read: 3, write: 4, create: 5, delete: 6, alter: 7, describe: 8 } as const;
const PATTERN = { any: ANY, match: 2, literal: 3, prefix: 4 } as const;
const PERMISSION = { deny: 2, allow: 3 } as const;

const SET_ELSEWHERE = 'the rules of a cluster are set in the portal, with robust-ctl or over REST';
const CREDENTIALS_ELSEWHERE = 'the credentials of a cluster are set in the portal, with robust-ctl or over REST';

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
  for (const acl of call.session.namespace.settings.acl.rules.flatMap(aclsOf)) {
    if (!matches(request, acl)) continue;
    const { resourceType, resourceName, patternType } = acl;
    const key = `${resourceType} ${patternType} ${resourceName}`;
    const known = resources.get(key);
    if (known === undefined) resources.set(key, { resourceType, resourceName, patternType, acls: [acl] });
    else known.acls.push(acl);
  }
  call.reply({ errorCode: ERROR.NONE, resources: [...resources.values()] });
}

/** CreateAcls: refused, since what is set here the control plane would take back. */
export function handleCreateAcls(
  request: Decoded<typeof CreateAcls.request>,
  call: Call<typeof CreateAcls.response>,
): void {
  call.reply({
    results: request.creations.map(() => ({
      errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED,
      errorMessage: SET_ELSEWHERE,
    })),
  });
}

/** DeleteAcls: as CreateAcls. */
export function handleDeleteAcls(
  request: Decoded<typeof DeleteAcls.request>,
  call: Call<typeof DeleteAcls.response>,
): void {
  call.reply({
    filterResults: request.filters.map(() => ({
      errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED,
      errorMessage: SET_ELSEWHERE,
      matchingAcls: [],
    })),
  });
}

/** DescribeUserScramCredentials (KIP-554): who exists is not told over the wire. */
export function handleDescribeUserScramCredentials(
  request: Decoded<typeof DescribeUserScramCredentials.request>,
  call: Call<typeof DescribeUserScramCredentials.response>,
): void {
  const results = (request.users ?? []).map(({ name }) => ({
    user: name,
    errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED,
    errorMessage: CREDENTIALS_ELSEWHERE,
    credentialInfos: [],
  }));
  const refused = request.users === null || results.length === 0;
  call.reply({
    errorCode: refused ? ERROR.CLUSTER_AUTHORIZATION_FAILED : ERROR.NONE,
    errorMessage: refused ? CREDENTIALS_ELSEWHERE : null,
    results,
  });
}

/** AlterUserScramCredentials (KIP-554): refused for the reason of CreateAcls. */
export function handleAlterUserScramCredentials(
  request: Decoded<typeof AlterUserScramCredentials.request>,
  call: Call<typeof AlterUserScramCredentials.response>,
): void {
  const users = new Set([...request.deletions, ...request.upsertions].map(({ name }) => name));
  call.reply({
    results: [...users].map((user) => ({
      user,
      errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED,
      errorMessage: CREDENTIALS_ELSEWHERE,
    })),
  });
}
