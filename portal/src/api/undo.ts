import { bodyOf } from '@robustmq/client';
import type { Operation } from '@robustmq/contracts';
import { queryClient } from './query-client.ts';
import { api, currentSession } from './session.ts';

/** The operation that an answer of the API names, undefined where there is none. */
export function operationOf(answer: unknown): string | undefined {
  const response = (answer as { response?: unknown } | null | undefined)?.response;
  return response instanceof Response ? (response.headers.get('operation-id') ?? undefined) : undefined;
}

/** Whether an operation can be taken back now. Not every write can: some kinds never, some only within a window that was asked for. */
export async function isUndoable(operationId: string): Promise<boolean> {
  const tenantId = currentSession()?.tenantId ?? '';
  const path = { tenantId, operationId };
  try {
    const { status, undoUntil } = await bodyOf(
      api.GET('/v1/tenants/{tenantId}/operations/{operationId}', { params: { path } }),
    );
    return status !== 'undone' && undoUntil !== null;
  } catch {
    // whoever may not see operations is offered nothing
    return false;
  }
}

/** Takes a write back; everything of the tenant is read again. Rejects when the window is over or something is in its place. */
export async function undo(operationId: string): Promise<Operation> {
  const tenantId = currentSession()?.tenantId ?? '';
  const undone = await bodyOf(
    api.POST('/v1/tenants/{tenantId}/operations/{operationId}:undo', { params: { path: { tenantId, operationId } } }),
  );
  await queryClient.invalidateQueries({ queryKey: [tenantId] });
  return undone;
}
