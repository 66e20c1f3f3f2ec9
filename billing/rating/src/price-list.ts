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
 *  - serverless: $0.06 per GiB in, $0.08 per GiB out, $1.20 per million connection-minutes; for a month of 30 days $0.078
 *    per GiB on disk and $0.023 in object storage; $0.003 per thousand object requests; $0.13 per partition and month.
 *    Free every month: 1 GiB in, 2 GiB out, a million connection-minutes, about 1 GiB on disk and 1 GiB in object storage,
 *    100,000 object requests, 100 partitions.
 *  - dedicated: $0.18 per hour of its node, 50 GiB in and 100 GiB out free, then $0.03 and $0.05; storage as above with
 *    ten times the allowance; 1,000 partitions and a million object requests free; connections cost nothing.
 *  - byoc: $0.036 per node-hour; the machine, its disk, its buckets and its traffic are the customer's own.
 * Memory and the sum over all tiers are shown and cost nothing: no byte is billed in two meters.
 * Nothing is rounded up: not a connection to a minute, not a node to an hour, not a message to 5 KB.
 */
export const PRICE_LIST: readonly PriceVersion[] = [
  price('serverless', 'ingress_bytes', '0.06', '1'),
  price('serverless', 'egress_bytes', '0.08', '2'),
  price('serverless', 'connection_seconds', '0.02', '60'),
  price('serverless', 'warm_byte_seconds', '0.03', '2.6784'),
  price('serverless', 'cold_byte_seconds', '0.009', '2.6784'),
  price('serverless', 'object_requests', '0.003', '100'),
  price('serverless', 'partition_seconds', '0.05', '267.84'),
  price('serverless', 'node_seconds', '0'),
  price('dedicated', 'ingress_bytes', '0.03', '50'),
  price('dedicated', 'egress_bytes', '0.05', '100'),
  price('dedicated', 'connection_seconds', '0'),
  price('dedicated', 'warm_byte_seconds', '0.03', '26.784'),
  price('dedicated', 'cold_byte_seconds', '0.009', '26.784'),
  price('dedicated', 'object_requests', '0.003', '1000'),
  price('dedicated', 'partition_seconds', '0.05', '2678.4'),
  price('dedicated', 'node_seconds', '0.05'),
  price('byoc', 'ingress_bytes', '0'),
  price('byoc', 'egress_bytes', '0'),
  price('byoc', 'connection_seconds', '0'),
  price('byoc', 'warm_byte_seconds', '0'),
  price('byoc', 'cold_byte_seconds', '0'),
  price('byoc', 'object_requests', '0'),
  price('byoc', 'partition_seconds', '0'),
  price('byoc', 'node_seconds', '0.01'),
];
