import { covers, permissionsOf, Role, type Permission } from '@robustmq/contracts';
import { appendAudit } from './audit.ts';
import type { Prisma, PrismaClient } from './generated/prisma/client.ts';
import { inScope } from './tenant-tx.ts';
import { uuidv7 } from './uuid.ts';

/** What an identity provider said of somebody, checked, and what its tenant gives for it. */
export interface SsoEntrance {
  readonly tenantId: string;
  readonly providerId: string;
  /** The claim `sub`. */
  readonly subject: string;
  /** In lower case; undefined when the provider names none. */
  readonly email: string | undefined;
  /** True only when the provider says so itself. */
  readonly emailVerified: boolean;
  /** What groups map to, or the default; null = nothing. */
  readonly grant: { readonly role: string; readonly customRoleId: string | null } | null;
  /** `grant` comes from a group, and not from the default. */
  readonly mapped: boolean;
  readonly joins: boolean;
  /** Nobody enters with more. */
  readonly reach: readonly string[];
  /** Stored for people who are new: a form no password has. */
  readonly noPassword: string;
  readonly ip: string;
  readonly requestId: string;
}

export type SsoRefusal =
  'email-missing' | 'email-unverified' | 'domain-not-proven' | 'not-a-member' | 'removed' | 'no-role' | 'beyond-reach';

export type SsoEntered =
  | { readonly kind: 'entered'; readonly userId: string; readonly email: string }
  | { readonly kind: 'refused'; readonly reason: SsoRefusal };

type Tx = Prisma.TransactionClient;
const refused = (reason: SsoRefusal): SsoEntered => ({ kind: 'refused', reason });

/** People who come through a tenant's identity provider. */
export class SingleSignOn {
  readonly #client: PrismaClient;
  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** The tenant that has proven the domain (lower case, ASCII). */
  tenantOfDomain(domain: string): Promise<string | undefined> {
    return inScope(this.#client, { setting: 'app.sso_domain', value: domain }, async (tx) => {
      const row = await tx.ssoDomain.findFirst({ where: { domain, verifiedAt: { not: null } } });
      return row?.tenantId;
    });
  }

  /** Ends the sessions that came through a provider. */
  async endSessions(providerId: string, now: Date): Promise<void> {
    await this.#client.refreshToken.updateMany({
      where: { ssoProviderId: providerId, revokedAt: null },
      data: { revokedAt: now },
    });
  }

  /**
   * Finds or makes the person and the membership, in one transaction. A person is linked by address only where the
   * tenant has proven the address's domain and the provider vouches for the address; whoever enters has at most what the
   * provider's last author had.
   */
  enter(input: SsoEntrance, now = new Date()): Promise<SsoEntered> {
    return inScope(this.#client, { setting: 'app.tenant_id', value: input.tenantId }, async (tx) => {
      // memberships of one tenant change one after the other
      await tx.$queryRaw`SELECT 1 FROM tenants WHERE id = ${input.tenantId}::uuid FOR UPDATE`;
      const { tenantId, providerId, subject } = input;
      const at = { tenantId_providerId_subject: { tenantId, providerId, subject } };
      const known = await tx.ssoIdentity.findUnique({ where: at, include: { user: { select: { email: true } } } });
      const found = known ? { id: known.userId, email: known.user.email } : await linked(tx, input, now);
      if ('kind' in found) return found;
      const membership = await tx.membership.findUnique({
        where: { tenantId_userId: { tenantId, userId: found.id } },
        include: { customRole: { select: { permissions: true } } },
      });
      if (!membership && (await isRemoved(tx, tenantId, found))) return refused('removed');
      if (!membership && !input.joins) return refused('not-a-member');
      const managed = membership ? (known?.managed ?? false) : true;
      const follows = managed && input.mapped && membership?.role !== 'owner';
      const wanted = !membership || follows ? input.grant : membership;
      if (wanted === null) return refused('no-role');
      const rights = await rightsOf(tx, wanted);
      if (rights === undefined) return refused('no-role');
      if (!covers(permissionsOf('custom', input.reach), rights)) return refused('beyond-reach');
      if (!known && !(await tx.user.findUnique({ where: { id: found.id } })))
        await tx.user.create({
          data: { ...found, passwordHash: input.noPassword, emailVerifiedAt: now },
        });
      await keepMembership(tx, input, found.id, membership, wanted);
      await tx.ssoIdentity.upsert({
        where: at,
        create: { tenantId, providerId, subject, userId: found.id, managed, lastLoginAt: now },
        update: { lastLoginAt: now, managed },
      });
      await appendAudit(tx, tenantId, {
        actor: { type: 'user', id: found.id, ip: input.ip },
        ...{ action: 'sso.login', target: { type: 'sso-provider', id: providerId }, result: 'ok' },
        ...{ requestId: input.requestId, detail: { subject, linked: !known } },
      });
      return { kind: 'entered', userId: found.id, email: found.email };
    });
  }
}

/**
 * Whether somebody was removed and nobody has invited them since. An invitation that is open lets them in, with what the
 * provider gives; what was withdrawn or ran out does not.
 */
async function isRemoved(tx: Tx, tenantId: string, person: { id: string; email: string }): Promise<boolean> {
  const at = { tenantId, userId: person.id };
  if (!(await tx.memberRemoval.findUnique({ where: { tenantId_userId: at } }))) return false;
  const open = { tenantId, email: person.email, acceptedAt: null, expiresAt: { gt: new Date() } };
  if ((await tx.invitation.count({ where: open })) === 0) return true;
  await tx.memberRemoval.deleteMany({ where: at });
  return false;
}

/** The person a subject that was never seen is linked to; a new id when nobody has the address. */
async function linked(tx: Tx, input: SsoEntrance, now: Date): Promise<{ id: string; email: string } | SsoEntered> {
  const { tenantId, email } = input;
  if (email === undefined) return refused('email-missing');
  if (!input.emailVerified) return refused('email-unverified');
  const domain = email.slice(email.lastIndexOf('@') + 1);
  const proven = await tx.ssoDomain.findUnique({ where: { tenantId_domain: { tenantId, domain } } });
  if (!proven?.verifiedAt) return refused('domain-not-proven');
  const user = await tx.user.findUnique({ where: { email } });
  if (!user) return { id: uuidv7(), email };
  if (user.emailVerifiedAt === null) {
    // whoever signed up with this address never showed that it is theirs: what they set up opens nothing any more
    await tx.user.update({
      where: { id: user.id },
      data: { passwordHash: input.noPassword, totpSecret: null, totpConfirmedAt: null, emailVerifiedAt: now },
    });
    await tx.recoveryCode.deleteMany({ where: { userId: user.id } });
    await tx.refreshToken.updateMany({ where: { userId: user.id, revokedAt: null }, data: { revokedAt: now } });
  }
  return { id: user.id, email };
}

/** What a role of the tenant may do; undefined = the tenant's own role is gone. */
async function rightsOf(
  tx: Tx,
  wanted: { readonly role: string; readonly customRoleId: string | null },
): Promise<ReadonlySet<Permission> | undefined> {
  const role = Role.safeParse(wanted.role).data;
  if (role === undefined) return undefined;
  if (role !== 'custom') return permissionsOf(role);
  const custom =
    wanted.customRoleId === null ? null : await tx.customRole.findUnique({ where: { id: wanted.customRoleId } });
  return custom ? permissionsOf('custom', custom.permissions) : undefined;
}

async function keepMembership(
  tx: Tx,
  input: SsoEntrance,
  userId: string,
  before: { readonly role: string; readonly customRoleId: string | null } | null,
  wanted: { readonly role: string; readonly customRoleId: string | null },
): Promise<void> {
  const { tenantId } = input;
  const { role, customRoleId } = wanted;
  if (before?.role === role && before.customRoleId === customRoleId) return;
  await tx.membership.upsert({
    where: { tenantId_userId: { tenantId, userId } },
    create: { tenantId, userId, role, customRoleId },
    update: { role, customRoleId },
  });
  await appendAudit(tx, tenantId, {
    actor: { type: 'system', id: `sso:${input.providerId}`, ip: input.ip },
    ...{ action: before ? 'member.update' : 'member.add', target: { type: 'member', id: userId }, result: 'ok' },
    ...{ requestId: input.requestId, detail: { ...(before ? { from: before.role } : {}), role } },
  });
}
