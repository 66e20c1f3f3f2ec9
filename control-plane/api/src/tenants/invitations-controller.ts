import { Controller } from '@nestjs/common';
import { Role, TenantId } from '@robustmq/contracts';
import { appendAudit, Database } from '@robustmq/db';
import { canBeEntered } from '../sso/sso-controller.ts';
import { KeyRing } from '../auth/key-ring.ts';
import { Mailer } from '../auth/mailer.ts';
import { newMailToken } from '../auth/tokens.ts';
import { INVITATIONS_MAX } from '../dry-run/limits.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { mayGrant } from './tenants-controller.ts';

const INVITATION_MS = 7 * 24 * 3600_000;

/** Invitations are bound to an address: the token alone opens nothing. */
@Controller()
export class InvitationsController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #keys: KeyRing;
  readonly #mailer: Mailer;
  constructor(database: Database, write: TenantWrite, keys: KeyRing, mailer: Mailer) {
    this.#database = database;
    this.#write = write;
    this.#keys = keys;
    this.#mailer = mailer;
  }

  @Route('updateTenant')
  async update(@Input() input: RouteInput<'updateTenant'>): Promise<RouteOutput<'updateTenant'>> {
    const { tenantId } = input.params;
    const { name, mfaRequired, ssoRequired } = input.body;
    if (mfaRequired === true && input.principal?.type === 'user') {
      const person = await this.#database.people.person(input.principal.id);
      if (!person?.totpConfirmedAt)
        throw new ProblemError('conflict', {
          detail: 'Set up your own second factor first: you would lock yourself out.',
        });
    }
    const { answer } = await this.#write.run(input, 'tenant.update', async (tx) => {
      if (ssoRequired === true) await canBeEntered(tx);
      const data = {
        ...(name === undefined ? {} : { name }),
        ...(mfaRequired === undefined ? {} : { mfaRequired }),
        ...(ssoRequired === undefined ? {} : { ssoRequired }),
      };
      const row = await tx.tenant.update({ where: { id: tenantId }, data });
      const shown = {
        ...{ id: row.id, name: row.name, mfaRequired: row.mfaRequired, ssoRequired: row.ssoRequired },
        createdAt: row.createdAt.toISOString(),
      };
      return { answer: shown, target: { type: 'tenant', id: tenantId }, detail: data };
    });
    return { ...answer, id: TenantId.parse(answer.id) };
  }

  @Route('listInvitations')
  async list(@Input() { params, query }: RouteInput<'listInvitations'>): Promise<RouteOutput<'listInvitations'>> {
    const after = readCursor(query.cursor, 1)?.[0];
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.invitation.findMany({
        where: {
          acceptedAt: null,
          expiresAt: { gt: new Date() },
          ...(after === undefined ? {} : { id: { gt: after } }),
        },
        orderBy: { id: 'asc' },
        take: query.limit + 1,
      }),
    );
    const page = pageOf(rows, query.limit, (row) => [row.id]);
    return { ...page, items: page.items.map(invitationOf) };
  }

  @Route('createInvitation')
  async create(@Input() input: RouteInput<'createInvitation'>): Promise<RouteOutput<'createInvitation'>> {
    const { tenantId } = input.params;
    const { email } = input.body;
    const token = newMailToken();
    const { answer, replayed } = await this.#write.run(input, 'invitation.create', async (tx) => {
      const given = await mayGrant(tx, input, input.body);
      if ((await tx.invitation.count({ where: { acceptedAt: null } })) >= INVITATIONS_MAX)
        throw new ProblemError('quota-exceeded', { detail: `At most ${INVITATIONS_MAX} invitations are open.` });
      await tx.invitation.deleteMany({ where: { email, acceptedAt: null } });
      const row = await tx.invitation.create({
        data: {
          ...{ tenantId, email, ...given, tokenHash: this.#keys.digest(token), invitedBy: input.principal!.id },
          expiresAt: new Date(Date.now() + INVITATION_MS),
        },
      });
      const tenant = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId } });
      const shown = { ...invitationOf(row), tenantName: tenant.name };
      return { answer: shown, target: { type: 'invitation', id: row.id }, detail: { email, role: given.role } };
    });
    if (!replayed) {
      const text = `You are invited to ${answer.tenantName}. Log in as ${email} and open within seven days: ${this.#mailer.link(`/invitation?token=${token}`)}`;
      await this.#mailer.post({
        kind: 'invitation',
        address: email,
        subject: `Invitation to ${answer.tenantName}`,
        text,
      });
    }
    return answer;
  }

  @Route('revokeInvitation')
  async revoke(@Input() input: RouteInput<'revokeInvitation'>): Promise<void> {
    const id = input.params.invitationId;
    await this.#write.run(input, 'invitation.revoke', async (tx) => {
      const row = await tx.invitation.findFirst({ where: { id, acceptedAt: null } });
      if (!row) throw notFound();
      await tx.invitation.delete({ where: { id } });
      return { answer: null, target: { type: 'invitation', id }, detail: { email: row.email } };
    });
  }

  @Route('acceptInvitation')
  async accept(@Input() input: RouteInput<'acceptInvitation'>): Promise<RouteOutput<'acceptInvitation'>> {
    const { principal } = input;
    const tokenHash = this.#keys.digest(input.body.token);
    const found = await this.#database.people.findInvitation(tokenHash, new Date());
    const person = principal?.type === 'user' ? await this.#database.people.person(principal.id) : null;
    // somebody else's invitation is no invitation
    if (!found || person?.email !== found.email) throw notFound();
    const { tenantId, id, role, customRoleId } = found;
    await this.#database.withTenant(tenantId, async (tx) => {
      const now = new Date();
      const taken = await tx.invitation.updateMany({ where: { id, acceptedAt: null }, data: { acceptedAt: now } });
      if (taken.count === 0) throw notFound();
      const made = await tx.membership.createMany({
        data: [{ tenantId, userId: person.id, role, customRoleId }],
        skipDuplicates: true,
      });
      if (made.count === 0) throw new ProblemError('conflict', { detail: 'You are a member already.' });
      await tx.memberRemoval.deleteMany({ where: { userId: person.id } });
      await appendAudit(tx, tenantId, {
        actor: { type: 'user', id: person.id, ip: input.ip },
        ...{ action: 'invitation.accept', target: { type: 'invitation', id }, result: 'ok' },
        ...{ requestId: input.requestId, detail: { role } },
      });
    });
    await this.#database.people.verified(person.id, new Date());
    return { tenantId };
  }
}

const invitationOf = (row: {
  id: string;
  email: string;
  role: string;
  customRoleId: string | null;
  expiresAt: Date;
  createdAt: Date;
}) => ({
  ...{ id: row.id, email: row.email, role: Role.parse(row.role), customRoleId: row.customRoleId },
  ...{ expiresAt: row.expiresAt.toISOString(), createdAt: row.createdAt.toISOString() },
});
