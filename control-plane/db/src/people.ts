import type { Mail, PrismaClient, User } from './generated/prisma/client.ts';
import { inScope } from './tenant-tx.ts';

export type { Mail as MailRow, User as PersonRow };
export type TokenKind = 'verify-email' | 'reset-password';

/** What a presented invitation says. */
export interface PresentedInvitation {
  readonly id: string;
  readonly tenantId: string;
  readonly email: string;
  readonly role: string;
  readonly customRoleId: string | null;
}

/** Mails tried at once, and how often one is tried at most. */
const MAILS_AT_ONCE = 20;
export const MAIL_ATTEMPTS_MAX = 8;

/** What belongs to people and to no tenant: addresses, second factors, single-use tokens, sessions, mails. */
export class People {
  readonly #client: PrismaClient;
  constructor(client: PrismaClient) {
    this.#client = client;
  }

  person(id: string): Promise<User | null> {
    return this.#client.user.findUnique({ where: { id } });
  }

  /** A new token; those of the same kind made before it end. */
  async addToken(kind: TokenKind, userId: string, tokenHash: string, expiresAt: Date): Promise<void> {
    await this.#client.$transaction([
      this.#client.singleUseToken.deleteMany({ where: { userId, kind } }),
      this.#client.singleUseToken.create({ data: { kind, userId, tokenHash, expiresAt } }),
    ]);
  }

  /** Uses a token up; answers whose it was. The conditional update lets one of two uses win. */
  async useToken(kind: TokenKind, tokenHash: string, now: Date): Promise<string | undefined> {
    const used = await this.#client.singleUseToken.updateManyAndReturn({
      where: { tokenHash, kind, usedAt: null, expiresAt: { gt: now } },
      data: { usedAt: now },
      select: { userId: true },
    });
    return used[0]?.userId;
  }

  async verified(userId: string, now: Date): Promise<void> {
    await this.#client.user.updateMany({
      where: { id: userId, emailVerifiedAt: null },
      data: { emailVerifiedAt: now },
    });
  }

  /** A new password ends every session, but the family that is kept. */
  async setPassword(userId: string, passwordHash: string, now: Date, keepFamily?: string): Promise<void> {
    await this.#client.$transaction([
      this.#client.user.update({ where: { id: userId }, data: { passwordHash } }),
      this.#client.refreshToken.updateMany({
        where: { userId, revokedAt: null, ...(keepFamily === undefined ? {} : { familyId: { not: keepFamily } }) },
        data: { revokedAt: now },
      }),
    ]);
  }

  /** A secret that is not in force yet; false when one is. */
  async offerTotp(userId: string, sealedSecret: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const offered = await this.#client.user.updateMany({
      where: { id: userId, totpConfirmedAt: null },
      data: { totpSecret: sealedSecret, totpLastStep: 0n },
    });
    return offered.count > 0;
  }

  async confirmTotp(userId: string, codeHashes: readonly string[], now: Date): Promise<void> {
    await this.#client.$transaction([
      this.#client.user.update({ where: { id: userId }, data: { totpConfirmedAt: now } }),
      this.#client.recoveryCode.deleteMany({ where: { userId } }),
      this.#client.recoveryCode.createMany({ data: codeHashes.map((codeHash) => ({ userId, codeHash })) }),
    ]);
  }

  async removeTotp(userId: string): Promise<void> {
    await this.#client.$transaction([
      this.#client.user.update({ where: { id: userId }, data: { totpSecret: null, totpConfirmedAt: null } }),
      this.#client.recoveryCode.deleteMany({ where: { userId } }),
    ]);
  }

  /** Takes a time step of the second factor: each works once. */
  async takeTotpStep(userId: string, step: bigint): Promise<boolean> {
    const taken = await this.#client.user.updateMany({
      where: { id: userId, totpLastStep: { lt: step } },
      data: { totpLastStep: step },
    });
    return taken.count > 0;
  }

  async useRecoveryCode(userId: string, codeHash: string, now: Date): Promise<boolean> {
    const used = await this.#client.recoveryCode.updateMany({
      where: { userId, codeHash, usedAt: null },
      data: { usedAt: now },
    });
    return used.count > 0;
  }

  /** The newest token of every family that lives: one row per place somebody is logged in. */
  sessionsOf(userId: string, now: Date) {
    return this.#client.refreshToken.findMany({
      where: { userId, revokedAt: null, usedAt: null, expiresAt: { gt: now } },
      orderBy: { createdAt: 'desc' },
      take: 200,
    });
  }

  /** Whether the family of refresh tokens goes on: neither ended nor run out. */
  async sessionLives(familyId: string, now: Date): Promise<boolean> {
    const token = await this.#client.refreshToken.findFirst({
      where: { familyId, revokedAt: null, expiresAt: { gt: now } },
      select: { id: true },
    });
    return token !== null;
  }

  /** Ends one family of the person; false when they have no such. */
  async endSession(userId: string, familyId: string, now: Date): Promise<boolean> {
    const ended = await this.#client.refreshToken.updateMany({
      where: { userId, familyId, revokedAt: null },
      data: { revokedAt: now },
    });
    return ended.count > 0;
  }

  /** Keeps a mail until it is sent; one with an id that is there already is the same mail. */
  async addMail(mail: Pick<Mail, 'id' | 'kind' | 'address' | 'subject' | 'sealedText'>): Promise<void> {
    const { id, kind, address, subject } = mail;
    await this.#client.mail.createMany({
      data: [{ id, kind, address, subject, sealedText: new Uint8Array(mail.sealedText) }],
      skipDuplicates: true,
    });
  }

  /** Mails of an address, or of all, newest first: the operator's outbox. */
  mails(limit: number): Promise<Mail[]> {
    return this.#client.mail.findMany({ orderBy: { id: 'desc' }, take: limit });
  }

  /** Mails that are due; each is due again after a growing pause, so a lost attempt is repeated. */
  takeDueMails(): Promise<Mail[]> {
    return this.#client.$queryRaw<Mail[]>`
      UPDATE mails m SET attempts = m.attempts + 1, due_at = now() + make_interval(secs => 30 * power(2, m.attempts))
      FROM (SELECT id FROM mails WHERE sent_at IS NULL AND due_at <= now() AND attempts < ${MAIL_ATTEMPTS_MAX}
            ORDER BY due_at LIMIT ${MAILS_AT_ONCE} FOR UPDATE SKIP LOCKED) due
      WHERE m.id = due.id
      RETURNING m.id::text AS id, m.kind, m.address, m.subject, m.sealed_text AS "sealedText", m.attempts,
        m.due_at AS "dueAt", m.sent_at AS "sentAt", m.created_at AS "createdAt"`;
  }

  async mailSent(id: string, now: Date): Promise<void> {
    await this.#client.mail.update({ where: { id }, data: { sentAt: now } });
  }

  /** The open invitation with this token. */
  findInvitation(tokenHash: string, now: Date): Promise<PresentedInvitation | null> {
    return inScope(this.#client, { setting: 'app.invitation_hash', value: tokenHash }, (tx) =>
      tx.invitation.findFirst({
        where: { tokenHash, acceptedAt: null, expiresAt: { gt: now } },
        select: { id: true, tenantId: true, email: true, role: true, customRoleId: true },
      }),
    );
  }
}
