import { Controller, Get, Header, Inject } from '@nestjs/common';
import { openApiDocument } from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import { SkipThrottle } from '@nestjs/throttler';
import { ProblemError } from '../http/problem-error.ts';
import { Unlisted } from '../http/route.ts';
import { PROGRAM_VERSION } from '../program-version.ts';
import { docsPage } from './docs-page.ts';
import { Metrics } from './metrics.ts';

const DOCUMENT = openApiDocument(PROGRAM_VERSION);
const DOCS = docsPage(DOCUMENT);

/** Health, metrics and the API's own description. Open to everybody who reaches the port. */
@Unlisted()
@SkipThrottle()
@Controller()
export class OperationsController {
  readonly #database: Database;
  readonly #metrics: Metrics;
  constructor(@Inject(Database) database: Database, @Inject(Metrics) metrics: Metrics) {
    this.#database = database;
    this.#metrics = metrics;
  }

  /** The process runs. */
  @Get('health/live')
  live(): { status: string } {
    return { status: 'ok' };
  }

  /** The process can serve: its database answers. Agents are not needed for that. */
  @Get('health/ready')
  async ready(): Promise<{ status: string }> {
    try {
      await this.#database.ping();
    } catch {
      throw new ProblemError('unavailable', { detail: 'The database does not answer.' });
    }
    return { status: 'ok' };
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  metrics(): Promise<string> {
    return this.#metrics.text();
  }

  @Get('v1/openapi.json')
  document(): Record<string, unknown> {
    return DOCUMENT;
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  docs(): string {
    return DOCS;
  }
}
