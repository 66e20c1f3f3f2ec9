import type { Call } from './connection.ts';

type Resource = Parameters<Call['allows']>[1];
type Action = Parameters<Call['allows']>[0];

/** Kafka's operation codes by the action that lets them be done (KIP-430); each is a bit. */
const OPERATIONS: Readonly<Record<Resource, readonly (readonly [Action, readonly number[]])[]>> = {
  topic: [
    ['read', [3]],
    ['write', [4]],
    ['create', [5]],
    ['delete', [6]],
    ['alter', [7, 11]],
    ['describe', [8, 10]],
  ],
  group: [
    ['read', [3]],
    ['delete', [6]],
    ['describe', [8]],
  ],
  cluster: [
    ['create', [5]],
    ['alter', [7, 11]],
    ['describe', [8, 10]],
  ],
  'transactional-id': [
    ['write', [4]],
    ['describe', [8]],
  ],
};

/** What the connection may do with a resource, as the bit field of KIP-430. */
export function authorizedOperations(call: Call, resource: Resource, name: string): number {
  let bits = 0;
  for (const [action, codes] of OPERATIONS[resource]) {
    if (!call.allows(action, resource, name)) continue;
    for (const code of codes) bits |= 1 << code;
  }
  return bits;
}
