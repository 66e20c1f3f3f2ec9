import { z } from 'zod';

/**
 * What is counted. `incremental` meters add up; `byte_seconds` meters are time integrals of a sampled level, added the
 * same way. One unit each, no rounding before rating:
 *  - `messages_in` / `messages_out`: messages accepted from clients / written to clients (shown, not billed)
 *  - `ingress_bytes` / `egress_bytes`: topic + payload + headers of those messages, as sent on the wire
 *  - `connection_seconds`: sum over connections of the time they were open
 *  - `stored_byte_seconds`: stored bytes of all topics and inboxes × seconds (shown; its parts are billed)
 *  - `hot_byte_seconds`, `warm_byte_seconds`, `cold_byte_seconds`: the same per tier: memory (shown) / local disk /
 *    object storage
 *  - `object_requests`: requests made to object storage for the cluster
 *  - `partition_seconds`: partitions × seconds
 *  - `node_seconds`: a dedicated node's running time
 */
export const METERS = {
  messages_in: { unit: 'message', billed: false },
  messages_out: { unit: 'message', billed: false },
  ingress_bytes: { unit: 'byte', billed: true },
  egress_bytes: { unit: 'byte', billed: true },
  connection_seconds: { unit: 'second', billed: true },
  stored_byte_seconds: { unit: 'byte-second', billed: false },
  hot_byte_seconds: { unit: 'byte-second', billed: false },
  warm_byte_seconds: { unit: 'byte-second', billed: true },
  cold_byte_seconds: { unit: 'byte-second', billed: true },
  object_requests: { unit: 'request', billed: true },
  partition_seconds: { unit: 'partition-second', billed: true },
  node_seconds: { unit: 'second', billed: true },
} as const;

export const Meter = z.enum(Object.keys(METERS) as [keyof typeof METERS, ...(keyof typeof METERS)[]]);
export type Meter = z.infer<typeof Meter>;

/** `storage` carries the meters that belong to no connection. */
export const UsageProtocol = z.enum(['mqtt', 'kafka', 'amqp', 'storage']);
export type UsageProtocol = z.infer<typeof UsageProtocol>;
