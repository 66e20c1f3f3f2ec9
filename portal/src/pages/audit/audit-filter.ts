import type { AuditEvent } from '@robustmq/client';

export interface AuditFilter {
  /** Empty = all. */
  readonly result: AuditEvent['result'] | '';
  /** Any part of action, target, address or person; empty = all. */
  readonly text: string;
}

/** Whether an event is one of those looked for; `who` is what its actor is called. */
export function matches(event: AuditEvent, who: string, { result, text }: AuditFilter): boolean {
  if (result !== '' && event.result !== result) return false;
  const { action, target, actor, requestId } = event;
  return [who, action, target.type, target.id, actor.id, actor.ip ?? '', requestId]
    .join('\n')
    .toLowerCase()
    .includes(text.trim().toLowerCase());
}

/** Rows as lines of JSON, as `robust-ctl audit verify` reads them. */
export const linesOfJson = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
