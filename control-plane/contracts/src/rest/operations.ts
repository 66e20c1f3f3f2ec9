import { z } from 'zod';
import { PageQuery, pageOf } from './page.ts';

/** A write that takes a while, or that can be taken back. Kept for 30 days. */
export const Operation = z.object({
  id: z.uuid(),
  /** As in the audit log: `cluster.create`, `topic.delete` … */
  kind: z.string(),
  target: z.object({ type: z.string(), id: z.string() }),
  clusterId: z.uuid().nullable(),
  /** `done`: the cluster's node serves what was asked for. */
  status: z.enum(['running', 'done', 'failed', 'undone']),
  error: z.string().nullable(),
  actor: z.object({ type: z.enum(['user', 'api-key', 'system']), id: z.string() }),
  startedAt: z.iso.datetime(),
  /** Until then `:undo` takes it back; null = it cannot be taken back, or not any more. */
  undoUntil: z.iso.datetime().nullable(),
});
export type Operation = z.infer<typeof Operation>;
export const OperationPage = pageOf(Operation);
export const OperationsQuery = PageQuery.extend({
  /** Only those that can be undone now. */
  undoable: z.enum(['true', 'false']).optional(),
  clusterId: z.uuid().optional(),
});
