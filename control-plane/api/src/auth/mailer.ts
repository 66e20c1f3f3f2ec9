import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Database, uuidv7 } from '@robustmq/db';
import { createTransport, type Transporter } from 'nodemailer';
import { SETTINGS } from '../tokens.ts';
import type { Settings } from '../settings.ts';
import { KeyRing } from './key-ring.ts';

/** How often mails that are due are looked for, in milliseconds. */
const LOOK_MS = 5_000;
const SMTP_TIMEOUT_MS = 10_000;

export interface Letter {
  /** The same id is the same mail; absent = a new one. */
  readonly id?: string;
  readonly kind: 'verify-email' | 'reset-password' | 'invitation' | 'budget' | 'dunning';
  readonly address: string;
  readonly subject: string;
  readonly text: string;
}

/** Mails to people: kept sealed until they are sent. Without an SMTP server they wait in the operator's outbox. */
@Injectable()
export class Mailer implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #database: Database;
  readonly #keys: KeyRing;
  readonly #settings: Settings;
  readonly #transport: Transporter | undefined;
  readonly #log = new Logger('mail');
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  constructor(database: Database, keys: KeyRing, @Inject(SETTINGS) settings: Settings) {
    this.#database = database;
    this.#keys = keys;
    this.#settings = settings;
    const { smtpUrl } = settings;
    if (smtpUrl !== undefined)
      this.#transport = createTransport({
        url: smtpUrl,
        connectionTimeout: SMTP_TIMEOUT_MS,
        socketTimeout: SMTP_TIMEOUT_MS,
      });
  }

  onApplicationBootstrap(): void {
    if (this.#transport) this.#timer = setInterval(() => this.#send(), LOOK_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sending;
    this.#transport?.close();
  }

  /** Address of a page of the portal. */
  link(path: string): string {
    return new URL(path, this.#settings.publicUrl ?? `http://localhost:${this.#settings.httpPort}`).href;
  }

  /** Promises the mail; it is sent soon after, and again until it is. */
  async post({ id = uuidv7(), kind, address, subject, text }: Letter): Promise<void> {
    await this.#database.people.addMail({
      id,
      kind,
      address,
      subject,
      sealedText: new Uint8Array(this.#keys.seal(text, `mail:${id}`)),
    });
    this.#send();
  }

  /** The newest mails as the operator sees them. */
  async outbox(limit: number) {
    const rows = await this.#database.people.mails(limit);
    return rows.map((row) => ({
      ...{ id: row.id, kind: row.kind, address: row.address, subject: row.subject, attempts: row.attempts },
      text: this.#keys.unseal(row.sealedText, `mail:${row.id}`),
      ...{ createdAt: row.createdAt.toISOString(), sentAt: row.sentAt?.toISOString() ?? null },
    }));
  }

  #send(): void {
    if (!this.#transport) return;
    this.#sending ??= this.#sendDue(this.#transport)
      .catch((error: unknown) => this.#log.error(error))
      .finally(() => (this.#sending = undefined));
  }

  async #sendDue(transport: Transporter): Promise<void> {
    for (const mail of await this.#database.people.takeDueMails()) {
      const text = this.#keys.unseal(mail.sealedText, `mail:${mail.id}`);
      const from = this.#settings.mailFrom ?? 'RobustMQ Cloud <no-reply@localhost>';
      try {
        await transport.sendMail({ from, to: mail.address, subject: mail.subject, text });
        await this.#database.people.mailSent(mail.id, new Date());
      } catch (error) {
        this.#log.warn({ err: error, mailId: mail.id }, 'a mail could not be sent; it is tried again');
      }
    }
  }
}
