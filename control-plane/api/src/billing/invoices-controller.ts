import { request as httpRequest } from 'node:http';
import { Controller, Inject, Logger } from '@nestjs/common';
import { InvoicePreview, PriceList } from '@robustmq/contracts';
import type { z } from 'zod';
import { ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { SETTINGS } from '../tokens.ts';
import type { Settings } from '../settings.ts';

/** How long billing may take, in milliseconds, and how much it may say, in bytes. */
const BILLING_TIMEOUT_MS = 10_000;
const BILLING_ANSWER_BYTES_MAX = 8 * 2 ** 20;

/** Invoices are billing's; this process authenticates and authorises, then asks it over its unix socket. */
@Controller()
export class InvoicesController {
  readonly #settings: Settings;
  readonly #log = new Logger('billing');
  constructor(@Inject(SETTINGS) settings: Settings) {
    this.#settings = settings;
  }

  @Route('previewInvoice')
  async preview(@Input() { params }: RouteInput<'previewInvoice'>): Promise<RouteOutput<'previewInvoice'>> {
    return this.#answer(InvoicePreview, `/internal/tenants/${params.tenantId}/invoices/preview`);
  }

  @Route('listPrices')
  prices(): Promise<RouteOutput<'listPrices'>> {
    return this.#answer(PriceList, '/internal/prices');
  }

  /** Billing's answer in the contract's shape. Throws `unavailable`. */
  async #answer<T extends z.ZodType>(shape: T, path: string): Promise<z.output<T>> {
    try {
      return shape.parse(await this.#ask(path));
    } catch (error) {
      this.#log.warn({ err: error }, 'billing did not answer');
      throw new ProblemError('unavailable', {
        detail: 'Billing does not answer at the moment; usage is still counted.',
      });
    }
  }

  #ask(path: string): Promise<unknown> {
    const { billingSocket, internalToken } = this.#settings;
    if (billingSocket === undefined) return Promise.reject(new Error('ROBUSTMQ_BILLING_SOCKET is not set'));
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          socketPath: billingSocket,
          path,
          headers: { authorization: `Bearer ${internalToken ?? ''}`, host: 'billing' },
          timeout: BILLING_TIMEOUT_MS,
        },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > BILLING_ANSWER_BYTES_MAX) request.destroy(new Error('billing’s answer is too long'));
            else chunks.push(chunk);
          });
          response.on('error', reject);
          response.on('end', () => {
            if (response.statusCode !== 200) return reject(new Error(`billing answered ${response.statusCode}`));
            try {
              resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
            } catch (error) {
              reject(error as Error);
            }
          });
        },
      );
      request.on('timeout', () => request.destroy(new Error('billing timed out')));
      request.on('error', reject);
      request.end();
    });
  }
}
