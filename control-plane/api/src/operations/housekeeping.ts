import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Database } from '@robustmq/db';

/** How often what has run out is removed, in milliseconds. */
const EVERY_MS = 3600_000;

/** Removes refresh tokens that expired: they are of no use to anybody. */
@Injectable()
export class Housekeeping implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #database: Database;
  readonly #log = new Logger('housekeeping');
  #timer: NodeJS.Timeout | undefined;
  constructor(database: Database) {
    this.#database = database;
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => {
      this.#database.identity.forgetRefreshTokens(new Date()).catch((error: unknown) => this.#log.error(error));
    }, EVERY_MS);
  }

  onApplicationShutdown(): void {
    clearInterval(this.#timer);
  }
}
