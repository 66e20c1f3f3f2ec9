import { Party } from '@robustmq/contracts';
import { z } from 'zod';
import { BillingError } from './billing-error.ts';

const EXAMPLE =
  '{"name":"Acme Cloud Ltd","address":["1 Queue Street","10115 Berlin","Germany"],"taxId":"DE123456789","email":"billing@acme.example"}';
/** What an invoice needs of whoever writes it, and what it says until that is set. */
const PLACEHOLDERS = { address: ["(the seller's address has not been set)"], taxId: '(not set)' } as const;

function read(text: string): Party {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BillingError('config-invalid', `ROBUSTMQ_BILLING_SELLER is not JSON, as ${EXAMPLE} is`, { cause: error });
  }
  const parsed = Party.strict().safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const where = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
  throw new BillingError('config-invalid', `ROBUSTMQ_BILLING_SELLER: ${where}${issue.message}; an example: ${EXAMPLE}`);
}

/** Names of what is missing of the seller. */
export function missingOf(text: string): string[] {
  const { name, address, taxId } = read(text);
  return [
    ...(name === '' ? ['name'] : []),
    ...(address.length === 0 ? ['address'] : []),
    ...(taxId === '' ? ['taxId'] : []),
  ];
}

/**
 * Who invoices are from, out of ROBUSTMQ_BILLING_SELLER. Where cards are charged everything must be there; elsewhere an
 * invoice says in so many words what is not. Throws `config-invalid`.
 */
export function sellerOf(text: string, { isCharging }: { readonly isCharging: boolean }): Party {
  const seller = read(text);
  const missing = missingOf(text);
  if (isCharging && missing.length > 0)
    throw new BillingError(
      'config-invalid',
      `STRIPE_SECRET_KEY is set, and ROBUSTMQ_BILLING_SELLER lacks ${missing.join(', ')}: ` +
        `invoices that are charged name their seller in full; an example: ${EXAMPLE}`,
    );
  return {
    ...seller,
    name: seller.name === '' ? 'RobustMQ Cloud' : seller.name,
    address: seller.address.length === 0 ? [...PLACEHOLDERS.address] : seller.address,
    taxId: seller.taxId === '' ? PLACEHOLDERS.taxId : seller.taxId,
  };
}

/** Exposed for the document of settings. */
export const SellerSetting = z.string().default('{"name":"RobustMQ Cloud"}');
