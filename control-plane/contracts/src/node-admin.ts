import { z } from 'zod';
import { NamespaceObserved } from './desired.ts';
import { UsageWindow } from './usage-window.ts';

/**
 * The node's admin endpoint: HTTP/1.1 with JSON bodies over a unix socket in the node's run directory, mode 0600, plus
 * `authorization: Bearer <token>` (the token is given to the node at start and never leaves the agent's directory).
 *
 *  - `GET  /v1/health` → NodeHealth
 *  - `PUT  /v1/namespaces/{clusterId}` body NamespaceSpec → NamespaceObserved, after the change is stable
 *  - `DELETE /v1/namespaces/{clusterId}` → 204 after its data is gone
 *  - `GET  /v1/namespaces` → NamespaceObserved[]
 *  - `POST /v1/namespaces/{clusterId}/views/{view}` body and answer as in node-views.ts; 404 for an unknown view
 *  - `POST /v1/removals` → RemovalsReply: tries once more to delete what removed streams left in object storage
 *  - `GET  /v1/usage?afterSeq=N&limit=M` → UsageBatchReply: closed windows with seq > N in order
 *  - `DELETE /v1/usage?throughSeq=N` → 204: the agent has them on its own disk
 *  - `GET  /v1/usage/open` → OpenUsageReply: what the open window holds so far, informational
 *  - `GET  /metrics` → Prometheus text
 */
export const NodeHealth = z.object({
  nodeId: z.string(),
  nodeEpoch: z.string(),
  pid: z.int(),
  version: z.string(),
  ready: z.boolean(),
  listeners: z.array(z.object({ protocol: z.string(), host: z.string(), port: z.int() })),
});
export type NodeHealth = z.infer<typeof NodeHealth>;

export const UsageBatchReply = z.object({ nodeEpoch: z.string(), windows: z.array(UsageWindow) });
export type UsageBatchReply = z.infer<typeof UsageBatchReply>;

/** The window that is still open: its values grow until it closes and is billed from `/v1/usage`. */
export const OpenUsageReply = z.object({
  nodeEpoch: z.string(),
  windowStartMs: z.int().nonnegative(),
  usage: z.array(UsageWindow.pick({ clusterId: true, protocol: true, meter: true, value: true, cumulative: true })),
});
export type OpenUsageReply = z.infer<typeof OpenUsageReply>;

/** `streams`: removed ones of which something may still lie in object storage; the node goes on trying by itself. */
export const RemovalsReply = z.object({ streams: z.int().nonnegative() });
export type RemovalsReply = z.infer<typeof RemovalsReply>;

export const NamespacesReply = z.array(NamespaceObserved);
