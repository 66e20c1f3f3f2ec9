import { Controller } from '@nestjs/common';
import { covers, Permission, PERMISSIONS, permissionsOf, ROLE_PERMISSIONS } from '@robustmq/contracts';
import { Database, isUniqueViolation } from '@robustmq/db';
import type { Caller } from '../http/caller.ts';
import { ROLES_MAX } from '../dry-run/limits.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { undoUntil } from '../undo/undo-window.ts';

/** Refuses when the caller lacks one of the permissions that would be given, changed or taken away. */
export function mustHave(caller: Pick<Caller, 'permissions'>, wanted: Iterable<Permission>): void {
  const list = [...wanted];
  if (covers(caller.permissions, list)) return;
  const missing = list.filter((one) => !caller.permissions.has(one));
  throw new ProblemError('forbidden', { detail: `You lack what this would give: ${missing.join(', ')}.` });
}

/** Built-in roles as the code has them, and the tenant's own. */
@Controller()
export class RolesController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  constructor(database: Database, write: TenantWrite) {
    this.#database = database;
    this.#write = write;
  }

  @Route('listRoles')
  async list(@Input() { params }: RouteInput<'listRoles'>): Promise<RouteOutput<'listRoles'>> {
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.customRole.findMany({ orderBy: { name: 'asc' }, take: ROLES_MAX }),
    );
    return {
      permissions: Object.entries(PERMISSIONS).map(([name, allows]) => ({ name: Permission.parse(name), allows })),
      builtIn: Object.entries(ROLE_PERMISSIONS).map(([name, permissions]) => ({ name, permissions: [...permissions] })),
      items: rows.map(roleOf),
    };
  }

  @Route('createRole')
  async create(@Input() input: RouteInput<'createRole'>): Promise<RouteOutput<'createRole'>> {
    const { name, permissions } = input.body;
    mustHave(input, permissions);
    return this.#named(name, async () => {
      const { answer } = await this.#write.run(input, 'role.create', async (tx) => {
        if ((await tx.customRole.count()) >= ROLES_MAX)
          throw new ProblemError('quota-exceeded', { detail: `A tenant has at most ${ROLES_MAX} roles of its own.` });
        const row = await tx.customRole.create({ data: { tenantId: input.params.tenantId, name, permissions } });
        return { answer: roleOf(row), target: { type: 'role', id: row.id }, detail: { name, permissions } };
      });
      return answer;
    });
  }

  @Route('updateRole')
  async update(@Input() input: RouteInput<'updateRole'>): Promise<RouteOutput<'updateRole'>> {
    const { name, permissions } = input.body;
    const id = input.params.roleId;
    return this.#named(name, async () => {
      const { answer } = await this.#write.run(input, 'role.update', async (tx) => {
        const before = await tx.customRole.findUnique({ where: { id } });
        if (!before) throw notFound();
        mustHave(input, [...permissionsOf('custom', before.permissions), ...permissions]);
        const row = await tx.customRole.update({ where: { id }, data: { name, permissions } });
        const detail = { name, from: before.permissions, to: permissions };
        return { answer: roleOf(row), target: { type: 'role', id }, detail };
      });
      return answer;
    });
  }

  @Route('deleteRole')
  async remove(@Input() input: RouteInput<'deleteRole'>): Promise<void> {
    const id = input.params.roleId;
    await this.#write.run(input, 'role.delete', async (tx) => {
      const row = await tx.customRole.findUnique({ where: { id } });
      if (!row) throw notFound();
      mustHave(input, permissionsOf('custom', row.permissions));
      if ((await tx.membership.count({ where: { customRoleId: id } })) > 0)
        throw new ProblemError('conflict', { detail: 'Somebody has this role.' });
      await tx.customRole.delete({ where: { id } });
      const { name, permissions } = row;
      const operation = { undo: { until: undoUntil(), data: { id, name, permissions } } };
      return { answer: null, target: { type: 'role', id }, detail: { name }, operation };
    });
  }

  async #named<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isUniqueViolation(error))
        throw new ProblemError('name-taken', { detail: `The tenant has a role named "${name}".` });
      throw error;
    }
  }
}

const roleOf = (row: { id: string; name: string; permissions: string[] }) => ({
  ...{ id: row.id, name: row.name },
  permissions: [...permissionsOf('custom', row.permissions)],
});
