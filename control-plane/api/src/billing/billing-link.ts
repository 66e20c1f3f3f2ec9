import { request as httpRequest } from 'node:http';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { PROBLEM_STATUS, type ProblemCode } from '@robustmq/contracts';
import { ProblemError } from '../http/problem-error.ts';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';

/** How long billing may take, in milliseconds, and how much it may say, in bytes. */
const BILLING_TIMEOUT_MS = 25_000;
const BILLING_ANSWER_BYTES_MAX = 64 * 2 ** 20;

/** Refusals of billing that are the caller's to know; all others are `unavailable`. */
const TOLD: readonly string[] = ['not-found', 'conflict', 'validation-failed', 'bad-request'] satisfies ProblemCode[];

export interface BillingRequest {
  readonly method: string;
  /** Path and query below the billing socket. */
  readonly path: string;
  readonly body?: unknown;
  /** The same key makes the same thing. */
  readonly key?: string | undefined;
}

/** The way to billing: its unix socket and the shared token. */
@Injectable()
export class BillingLink {
  readonly #settings: Settings;
  readonly #log = new Logger('billing');
  constructor(@Inject(SETTINGS) settings: Settings) {
    this.#settings = settings;
  }

  /** Billing's JSON answer. Throws a problem: what billing refused, or `unavailable`. */
  async ask(request: BillingRequest): Promise<unknown> {
    const { status, body } = await this.#send(request).catch((error: unknown) => {
      this.#log.warn({ err: error }, 'billing did not answer');
      throw unavailable();
    });
    if (status === 200) return body;
    const { code: told, message } = body as { code?: string; message?: string };
    // a forged signature is a bad request to whoever sent it
    const code = told === 'signature-invalid' ? 'bad-request' : told;
    if (code !== undefined && TOLD.includes(code) && code in PROBLEM_STATUS) {
      // what is absent says no more than that it is absent
      if (code === 'not-found') throw new ProblemError('not-found');
      throw new ProblemError(code as ProblemCode, message === undefined ? {} : { detail: message });
    }
    this.#log.warn({ status, code, detail: message }, 'billing refused');
    throw unavailable();
  }

  #send({ method, path, body, key }: BillingRequest): Promise<{ status: number; body: unknown }> {
    const { billingSocket, internalToken } = this.#settings;
    if (billingSocket === undefined) return Promise.reject(new Error('ROBUSTMQ_BILLING_SOCKET is not set'));
    const content = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...{ authorization: `Bearer ${internalToken ?? ''}`, host: 'billing' },
      ...(content === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(content)) }),
      ...(key === undefined ? {} : { 'x-request-key': key }),
    };
    return new Promise((resolve, reject) => {
      const options = { socketPath: billingSocket, path, method, headers, timeout: BILLING_TIMEOUT_MS };
      const request = httpRequest(options, (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > BILLING_ANSWER_BYTES_MAX) request.destroy(new Error('billing’s answer is too long'));
          else chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => {
          try {
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
          } catch (error) {
            reject(error as Error);
          }
        });
      });
      request.on('timeout', () => request.destroy(new Error('billing timed out')));
      request.on('error', reject);
      request.end(content);
    });
  }
}

const unavailable = (): ProblemError =>
  new ProblemError('unavailable', { detail: 'Billing does not answer at the moment; usage is still counted.' });
