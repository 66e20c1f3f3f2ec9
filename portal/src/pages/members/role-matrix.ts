import type { Roles } from '@robustmq/client';

/** One row of the matrix: what is allowed, and to whom. */
export interface MatrixRow {
  readonly permission: string;
  readonly allows: string;
  readonly roles: readonly boolean[];
}

/** The roles as columns and the permissions as rows, in the API's order: built-in roles first, then the tenant's own. */
export function matrixOf(roles: Roles): { columns: { id: string; name: string }[]; rows: MatrixRow[] } {
  const all = [
    ...roles.builtIn.map(({ name, permissions }) => ({ id: name, name, held: new Set<string>(permissions) })),
    ...roles.items.map(({ id, name, permissions }) => ({ id, name, held: new Set<string>(permissions) })),
  ];
  return {
    columns: all.map(({ id, name }) => ({ id, name })),
    rows: roles.permissions.map(({ name, allows }) => ({
      permission: name,
      allows,
      roles: all.map(({ held }) => held.has(name)),
    })),
  };
}
