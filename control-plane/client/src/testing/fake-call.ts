import type { ProblemCode } from '@robustmq/contracts';
import type { FakeCluster, FakeState, FakeTenant } from './fake-state.ts';

/** A problem to answer with. */
export class Refusal extends Error {
  readonly code: ProblemCode;
  readonly errors: { pointer: string; detail: string }[] | undefined;
  constructor(code: ProblemCode, detail: string, errors?: { pointer: string; detail: string }[]) {
    super(detail);
    this.code = code;
    this.errors = errors;
  }
}

/** One validated call. */
export interface Call {
  readonly state: FakeState;
  readonly userId: string;
  readonly tenant: FakeTenant;
  readonly params: Record<string, string>;
  readonly query: Record<string, unknown>;
  readonly body: Record<string, unknown>;
}

/** The cluster of the path; throws Refusal `not-found`. */
export function clusterOf({ tenant, params }: Call): FakeCluster {
  const found = tenant.clusters.find((entry) => entry.cluster.id === params['clusterId']);
  if (!found) throw new Refusal('not-found', 'There is no such cluster.');
  return found;
}

/** Takes the entry out of a list; throws Refusal `not-found`. */
export function take<T>(list: T[], fits: (entry: T) => boolean): T {
  const index = list.findIndex(fits);
  if (index < 0) throw new Refusal('not-found', 'There is no such thing.');
  return list.splice(index, 1)[0]!;
}

/** One page of a list, as the query asks for it. */
export const page = <T>(items: T[], { query }: Call): object => {
  const from = Number(query['cursor'] ?? 0);
  const limit = Number(query['limit'] ?? 50);
  return {
    items: items.slice(from, from + limit),
    ...(from + limit < items.length ? { nextCursor: String(from + limit) } : {}),
  };
};
