import type { Meter, Plan } from '@robustmq/contracts';
import type { PriceVersion } from './price.ts';

const FROM = '2020-01-01T00:00:00.000Z';

const price = (plan: Plan, meter: Meter, unitPrice: string, included = '0'): PriceVersion => ({
  plan,
  meter,
  currency: 'USD',
  model: 'per_unit',
  unitPrice,
  included,
  validFrom: FROM,
  validTo: null,
});

/**
 * The public price list in US dollars; units are those of BILLING_UNITS. In other words:
 *  - serverless: $0.06 per GiB in, $0.08 per GiB out, $1.20 per million connection-minutes, $0.078 per GiB stored for a
 *    month of 30 days. Free every month: 1 GiB in, 2 GiB out, a million connection-minutes, about 1 GiB stored.
 *  - dedicated: $0.18 per hour of its node, 50 GiB in and 100 GiB out free, then $0.03 and $0.05; storage $0.078;
 *    connections cost nothing.
 *  - byoc: $0.036 per node-hour; the machine, its disk and its traffic are the customer's own.
 * Nothing is rounded up: not a connection to a minute, not a node to an hour, not a message to 5 KB.
 */
export const PRICE_LIST: readonly PriceVersion[] = [
  price('serverless', 'ingress_bytes', '0.06', '1'),
  price('serverless', 'egress_bytes', '0.08', '2'),
  price('serverless', 'connection_seconds', '0.02', '60'),
  price('serverless', 'stored_byte_seconds', '0.03', '2.6784'),
  price('serverless', 'node_seconds', '0'),
  price('dedicated', 'ingress_bytes', '0.03', '50'),
  price('dedicated', 'egress_bytes', '0.05', '100'),
  price('dedicated', 'connection_seconds', '0'),
  price('dedicated', 'stored_byte_seconds', '0.03', '26.784'),
  price('dedicated', 'node_seconds', '0.05'),
  price('byoc', 'ingress_bytes', '0'),
  price('byoc', 'egress_bytes', '0'),
  price('byoc', 'connection_seconds', '0'),
  price('byoc', 'stored_byte_seconds', '0'),
  price('byoc', 'node_seconds', '0.01'),
];
