import { Controller } from '@nestjs/common';
import { permissionsOf, Role, TenantId, UserId } from '@robustmq/contracts';
import { Database, type TenantTx } from '@robustmq/db';
import type { Caller } from '../http/caller.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { undoUntil } from '../undo/undo-window.ts';
import { mustHave } from './roles-controller.ts';

/** A tenant and its members. */
@Controller()
export class TenantsController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  constructor(database: Database, write: TenantWrite) {
    this.#database = database;
    this.#write = write;
  }

  @Route('getTenant')
  async get(@Input() { params }: RouteInput<'getTenant'>): Promise<RouteOutput<'getTenant'>> {
    const row = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.tenant.findUnique({ where: { id: params.tenantId } }),
    );
    if (!row) throw notFound();
    return {
      id: TenantId.parse(row.id),
      name: row.name,
      ...{ mfaRequired: row.mfaRequired, ssoRequired: row.ssoRequired },
      createdAt: row.createdAt.toISOString(),
    };
  }

  @Route('listMembers')
  async members(@Input() { params, query }: RouteInput<'listMembers'>): Promise<RouteOutput<'listMembers'>> {
    const after = readCursor(query.cursor, 1)?.[0];
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.membership.findMany({
        where: { tenantId: params.tenantId, ...(after === undefined ? {} : { userId: { gt: after } }) },
        include: { user: { select: { email: true } } },
        orderBy: { userId: 'asc' },
        take: query.limit + 1,
      }),
    );
    const page = pageOf(rows, query.limit, (row) => [row.userId]);
    return { ...page, items: page.items.map(memberOf) };
  }

  @Route('addMember')
  async add(@Input() input: RouteInput<'addMember'>): Promise<RouteOutput<'addMember'>> {
    const { tenantId } = input.params;
    const user = await this.#database.identity.userByEmail(input.body.email);
    if (!user) throw new ProblemError('not-found', { detail: 'Nobody has an account with this e-mail address.' });
    const { answer } = await this.#write.run(input, 'member.add', async (tx) => {
      const given = await mayGrant(tx, input, input.body);
      const made = await tx.membership.createManyAndReturn({
        data: [{ tenantId, userId: user.id, ...given }],
        skipDuplicates: true,
      });
      if (!made[0]) throw new ProblemError('conflict', { detail: 'This person is a member already.' });
      await tx.memberRemoval.deleteMany({ where: { userId: user.id } });
      return {
        answer: memberOf({ ...made[0], user }),
        target: { type: 'member', id: user.id },
        detail: { role: input.body.role },
      };
    });
    return answer;
  }

  @Route('updateMember')
  async update(@Input() input: RouteInput<'updateMember'>): Promise<RouteOutput<'updateMember'>> {
    const { tenantId, userId } = input.params;
    const { answer } = await this.#write.run(input, 'member.update', async (tx) => {
      const before = await lockedMember(tx, tenantId, userId);
      await mayGrant(tx, input, before);
      if (before.role === 'owner' && input.body.role !== 'owner') await keepAnOwner(tx, tenantId, userId);
      const row = await tx.membership.update({
        where: { tenantId_userId: { tenantId, userId } },
        data: await mayGrant(tx, input, input.body),
        include: { user: { select: { email: true } } },
      });
      const target = { type: 'member', id: userId };
      return { answer: memberOf(row), target, detail: { from: before.role, to: row.role } };
    });
    return answer;
  }

  @Route('removeMember')
  async remove(@Input() input: RouteInput<'removeMember'>): Promise<void> {
    const { tenantId, userId } = input.params;
    await this.#write.run(input, 'member.remove', async (tx) => {
      const before = await lockedMember(tx, tenantId, userId);
      await mayGrant(tx, input, before);
      if (before.role === 'owner') await keepAnOwner(tx, tenantId, userId);
      await tx.membership.delete({ where: { tenantId_userId: { tenantId, userId } } });
      // an identity provider that still admits them does not bring them back
      await tx.memberRemoval.createMany({ data: [{ tenantId, userId }], skipDuplicates: true });
      const { role, customRoleId } = before;
      const operation = { undo: { until: undoUntil(), data: { userId, role, customRoleId } } };
      return { answer: null, target: { type: 'member', id: userId }, detail: { role }, operation };
    });
  }
}

/** Nobody gives, changes or takes away rights they do not have. Answers what is stored for the role. */
export async function mayGrant(
  tx: TenantTx,
  caller: Pick<Caller, 'permissions'>,
  given: { readonly role: Role | string; readonly customRoleId?: string | null | undefined },
): Promise<{ role: Role; customRoleId: string | null }> {
  const role = Role.parse(given.role);
  const id = given.customRoleId ?? null;
  if ((role === 'custom') !== (id !== null)) throw wrongRole('the role custom and customRoleId belong together');
  const custom = id === null ? null : await tx.customRole.findUnique({ where: { id } });
  if (id !== null && !custom) throw wrongRole('there is no such role');
  mustHave(caller, permissionsOf(role, custom?.permissions));
  return { role, customRoleId: id };
}

const wrongRole = (detail: string): ProblemError =>
  new ProblemError('validation-failed', { errors: [{ pointer: '/customRoleId', detail }] });

/** Membership changes of one tenant run one after the other, so two owners cannot remove each other at once. */
async function lockedMember(tx: TenantTx, tenantId: string, userId: string) {
  await tx.$queryRaw`SELECT 1 FROM tenants WHERE id = ${tenantId}::uuid FOR UPDATE`;
  const row = await tx.membership.findUnique({ where: { tenantId_userId: { tenantId, userId } } });
  if (!row) throw notFound();
  return row;
}

async function keepAnOwner(tx: TenantTx, tenantId: string, userId: string): Promise<void> {
  const others = await tx.membership.count({ where: { tenantId, role: 'owner', userId: { not: userId } } });
  if (others === 0) throw new ProblemError('conflict', { detail: 'A tenant keeps at least one owner.' });
}

const memberOf = (row: {
  userId: string;
  role: string;
  customRoleId: string | null;
  createdAt: Date;
  user: { email: string };
}) => ({
  userId: UserId.parse(row.userId),
  email: row.user.email,
  role: Role.parse(row.role),
  customRoleId: row.customRoleId,
  createdAt: row.createdAt.toISOString(),
});
