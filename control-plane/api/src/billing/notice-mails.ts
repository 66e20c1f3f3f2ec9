import { createHash } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Party } from '@robustmq/contracts';
import { Database, WorkQueue, type DueWork } from '@robustmq/db';
import { Mailer } from '../auth/mailer.ts';

/** How often notices that are due are looked for, in milliseconds. */
const LOOK_MS = 2_000;
const NOTICES_AT_ONCE = 50;
/** Members who are told at most. */
const RECIPIENTS_MAX = 20;

type Notice = { readonly kind: string; readonly subject: string; readonly text: string; readonly createdAt: Date };

/** A version 7 UUID of the notice and the address: mailed again after a crash, it is the same mail. */
function mailId(key: string, address: string, at: Date): string {
  const hash = createHash('sha256').update(`${key} ${address}`).digest('hex');
  const time = at.getTime().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hash.slice(0, 3)}-a${hash.slice(3, 6)}-${hash.slice(6, 18)}`;
}

/** Mails what billing has to say to a tenant's owners and to the address on its invoices, each notice once. */
@Injectable()
export class NoticeMails implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #database: Database;
  readonly #mailer: Mailer;
  readonly #log = new Logger('notices');
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(database: Database, mailer: Mailer) {
    this.#database = database;
    this.#mailer = mailer;
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.sendDue()
        .catch((error: unknown) => this.#log.error(error))
        .finally(() => (this.#running = undefined));
    }, LOOK_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  /** Hands every notice that is due to the mailer. One that fails is due again by itself. */
  async sendDue(): Promise<void> {
    for (const work of await this.#database.work.takeDue('send-mail', NOTICES_AT_ONCE))
      await this.#send(work).catch((error: unknown) =>
        this.#log.warn({ err: error, key: work.key }, 'a notice was not mailed; it is tried again'),
      );
  }

  async #send({ tenantId, key }: DueWork): Promise<void> {
    const found = await this.#database.withTenant(tenantId, async (tx) => {
      const own = key.slice(tenantId.length + 1);
      const notice = await tx.billingNotice.findUnique({ where: { tenantId_key: { tenantId, key: own } } });
      const owners = await tx.membership.findMany({
        where: { tenantId, role: 'owner' },
        include: { user: { select: { email: true } } },
        ...{ orderBy: { userId: 'asc' }, take: RECIPIENTS_MAX },
      });
      const account = await tx.billingAccount.findUnique({ where: { tenantId } });
      const { email } = Party.parse(account?.buyer ?? {});
      return { notice, addresses: [...new Set([...owners.map(({ user }) => user.email), ...(email ? [email] : [])])] };
    });
    if (found.notice) await this.#post(key, found.notice, found.addresses);
    await this.#database.withTenant(tenantId, (tx) => WorkQueue.done(tx, 'send-mail', key));
  }

  async #post(key: string, notice: Notice, addresses: readonly string[]): Promise<void> {
    const { subject, createdAt } = notice;
    const kind = notice.kind === 'budget' ? 'budget' : 'dunning';
    const text = `${notice.text}\n${this.#mailer.link('/billing')}\n`;
    for (const address of addresses)
      await this.#mailer.post({ id: mailId(key, address, createdAt), kind, address, subject, text });
  }
}
