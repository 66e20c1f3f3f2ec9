import { createHash, createHmac } from 'node:crypto';
import type { Commit, Namespace, ScramVerifier } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { AlterUserScramCredentials, DescribeUserScramCredentials } from '../messages/security.ts';
import type { Decoded } from '../schema.ts';
import { mayDelegate, NOT_DELEGATED, whenStable } from './security.ts';

/** Numbers of KIP-554; the bytes of a salted password; RFC 5802 names the hashes. */
const MECHANISMS = [
  { number: 1, name: 'SCRAM-SHA-256', hash: 'sha256', bytes: 32 },
  { number: 2, name: 'SCRAM-SHA-512', hash: 'sha512', bytes: 64 },
] as const;
/** As Apache Kafka's. */
const ITERATIONS_MIN = 4_096;
const ITERATIONS_MAX = 16_384;
const SALT_BYTES_MAX = 1_024;
/** No `@`, which would name a cluster; nothing that is not shown. */
const USER_NAME = /^[\x21-\x3f\x41-\x7e]{1,128}$/;
const OF_THE_OWNER = 'the user was set in the portal, with robust-ctl or over REST, and is changed there';

type User = NonNullable<Namespace['delegated']> extends { users(): readonly (infer U)[] } ? U : never;

/** DescribeUserScramCredentials (KIP-554): mechanisms and iterations, nothing a password could be guessed from. */
export function handleDescribeUserScramCredentials(
  request: Decoded<typeof DescribeUserScramCredentials.request>,
  call: Call<typeof DescribeUserScramCredentials.response>,
): void {
  if (!mayDelegate(call)) {
    return call.reply({ errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED, errorMessage: NOT_DELEGATED, results: [] });
  }
  const users = new Map(
    call.session.namespace
      .delegated!.users()
      .filter((user) => infosOf(user).length > 0)
      .map((user) => [user.name, user]),
  );
  const asked =
    request.users === null || request.users.length === 0 ? [...users.keys()] : request.users.map((u) => u.name);
  const results = asked.map((user) => {
    const found = users.get(user);
    const absent = { errorCode: ERROR.RESOURCE_NOT_FOUND as ErrorCode, errorMessage: 'there is no such user' };
    if (found === undefined) return { user, ...absent, credentialInfos: [] };
    return { user, errorCode: ERROR.NONE as ErrorCode, errorMessage: null, credentialInfos: infosOf(found) };
  });
  call.reply({ errorCode: ERROR.NONE, errorMessage: null, results });
}

function infosOf({ iterations }: User): { mechanism: number; iterations: number }[] {
  return MECHANISMS.flatMap(({ number, name }) => {
    const count = iterations[name];
    return count === undefined ? [] : [{ mechanism: number, iterations: count }];
  });
}

type AlterRequest = Decoded<typeof AlterUserScramCredentials.request>;
type Fault = readonly [ErrorCode, string];

/** AlterUserScramCredentials (KIP-554): users beside those of the cluster's owner; all changes of a user or none. */
export function handleAlterUserScramCredentials(
  request: AlterRequest,
  call: Call<typeof AlterUserScramCredentials.response>,
): void {
  const users = [...new Set([...request.deletions, ...request.upsertions].map(({ name }) => name))];
  const commits: Commit[] = [];
  const results = users.map((user) => {
    const fault = faultOf(user, request, call) ?? change(user, request, call, commits);
    return { user, errorCode: fault?.[0] ?? (ERROR.NONE as ErrorCode), errorMessage: fault?.[1] ?? null };
  });
  const failed = (user: string) => ({ user, errorCode: ERROR.KAFKA_STORAGE_ERROR, errorMessage: 'not stored' });
  whenStable(commits, (isStable) => call.reply({ results: isStable ? results : users.map(failed) }));
}

function faultOf(name: string, { deletions, upsertions }: AlterRequest, call: Call): Fault | null {
  if (!mayDelegate(call)) return [ERROR.CLUSTER_AUTHORIZATION_FAILED, NOT_DELEGATED];
  if (!USER_NAME.test(name))
    return [ERROR.UNACCEPTABLE_CREDENTIAL, 'a user name has 1 to 128 ASCII characters, no space, no @'];
  const known = call.session.namespace.delegated!.users().find((user) => user.name === name);
  if (known?.isOwners === true) return [ERROR.POLICY_VIOLATION, OF_THE_OWNER];
  const own = <T extends { name: string }>(rows: readonly T[]): T[] => rows.filter((row) => row.name === name);
  const mechanisms = [...own(deletions), ...own(upsertions)].map(({ mechanism }) => mechanism);
  if (new Set(mechanisms).size < mechanisms.length) return [ERROR.DUPLICATE_RESOURCE, 'a mechanism is named twice'];
  for (const number of mechanisms) {
    if (mechanismOf(number) === undefined) return [ERROR.UNSUPPORTED_SASL_MECHANISM, `mechanism ${number}`];
  }
  for (const { mechanism } of own(deletions)) {
    if (known?.iterations[mechanismOf(mechanism)!.name] === undefined) {
      return [ERROR.RESOURCE_NOT_FOUND, 'the user has no such credential'];
    }
  }
  for (const { mechanism, iterations, salt, saltedPassword } of own(upsertions)) {
    if (iterations < ITERATIONS_MIN || iterations > ITERATIONS_MAX) {
      return [ERROR.UNACCEPTABLE_CREDENTIAL, `iterations must be ${ITERATIONS_MIN} to ${ITERATIONS_MAX}`];
    }
    if (salt.length === 0 || salt.length > SALT_BYTES_MAX)
      return [ERROR.UNACCEPTABLE_CREDENTIAL, 'the salt is empty or too long'];
    if (saltedPassword.length !== mechanismOf(mechanism)!.bytes) {
      return [ERROR.UNACCEPTABLE_CREDENTIAL, 'the salted password has the length of another hash'];
    }
  }
  return null;
}

function change(name: string, { deletions, upsertions }: AlterRequest, call: Call, commits: Commit[]): Fault | null {
  const { namespace, connection } = call.session;
  const delegated = namespace.delegated!;
  for (const row of upsertions) {
    if (row.name !== name) continue;
    const mechanism = mechanismOf(row.mechanism)!;
    const outcome = delegated.putUser(name, mechanism.name, verifierOf(row, mechanism.hash), connection);
    if (typeof outcome === 'string') return [ERROR.POLICY_VIOLATION, outcome];
    commits.push(outcome);
    call.connection.event('protocol', 'user-changed', `${name}: ${mechanism.name}`);
  }
  for (const row of deletions) {
    if (row.name !== name) continue;
    const mechanism = mechanismOf(row.mechanism)!;
    const commit = delegated.removeUser(name, mechanism.name, connection);
    if (commit !== null) commits.push(commit);
    call.connection.event('protocol', 'user-removed', `${name}: ${mechanism.name}`);
  }
  return null;
}

/** RFC 5802 §3: what is kept of SaltedPassword lets a server check a proof, and lets nobody log in. */
function verifierOf(
  { iterations, salt, saltedPassword }: AlterRequest['upsertions'][number],
  hash: 'sha256' | 'sha512',
): ScramVerifier {
  const clientKey = createHmac(hash, saltedPassword).update('Client Key').digest();
  return {
    salt: salt.toString('base64'),
    iterations,
    storedKey: createHash(hash).update(clientKey).digest('base64'),
    serverKey: createHmac(hash, saltedPassword).update('Server Key').digest('base64'),
  };
}

function mechanismOf(number: number): (typeof MECHANISMS)[number] | undefined {
  return MECHANISMS.find((mechanism) => mechanism.number === number);
}
