import type { FakeTenant } from './fake-state.ts';

const STEP_MS = { minute: 60_000, hour: 3_600_000, day: 86_400_000, month: 30 * 86_400_000 } as const;
const WINDOWS_MAX = 300;
const METER_PER_STEP = {
  messages_in: 1_200,
  messages_out: 3_100,
  ingress_bytes: 480_000,
  egress_bytes: 1_240_000,
  connection_seconds: 720,
};

/** A wave, so that charts have a shape; the same for the same window. */
const waveOf = (startMs: number, stepMs: number): number => 60 + Math.round(40 * Math.sin(startMs / stepMs / 7));

/** Usage of the tenant's clusters, made up but self-consistent: totals are the sums of the windows. */
export function fakeUsage(tenant: FakeTenant, query: Record<string, unknown>): object {
  const granularity = (query['granularity'] ?? 'minute') as keyof typeof STEP_MS;
  const stepMs = STEP_MS[granularity];
  const now = new Date();
  const from =
    (query['from'] as string | undefined) ?? new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth())).toISOString();
  const to = (query['to'] as string | undefined) ?? now.toISOString();
  const first = Math.ceil(Math.max(Date.parse(from), Date.parse(to) - WINDOWS_MAX * stepMs) / stepMs) * stepMs;
  const totals: Record<string, bigint> = {};
  const windows: object[] = [];
  for (const { cluster } of tenant.clusters) {
    if (query['clusterId'] !== undefined && cluster.id !== query['clusterId']) continue;
    for (let start = first; start < Date.parse(to); start += stepMs) {
      for (const protocol of ['mqtt', 'kafka'] as const) {
        for (const [meter, amount] of Object.entries(METER_PER_STEP)) {
          const quantity = BigInt(
            Math.round((amount * waveOf(start, stepMs) * (stepMs / 60_000)) / (protocol === 'mqtt' ? 100 : 240)),
          );
          totals[meter] = (totals[meter] ?? 0n) + quantity;
          windows.push({
            clusterId: cluster.id,
            protocol,
            meter,
            start: new Date(start).toISOString(),
            quantity: quantity.toString(),
          });
        }
      }
    }
  }
  return {
    from,
    to,
    granularity,
    windows,
    totals: Object.fromEntries(Object.entries(totals).map(([meter, total]) => [meter, total.toString()])),
  };
}

/** A bill of two usage lines and a flat one per dedicated cluster. */
export function fakeInvoice(tenant: FakeTenant): object {
  const now = new Date();
  const periodFrom = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth())).toISOString();
  const periodTo = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)).toISOString();
  const line = (
    identity: string,
    meter: string | null,
    description: string,
    quantity: string,
    unit: string,
    unitPrice: string,
    amount: string,
  ) => ({
    identity,
    kind: meter === null ? 'flat' : 'usage',
    meter,
    description,
    quantity,
    unit,
    unitPrice,
    amount: { amount, currency: 'USD' },
    serviceFrom: periodFrom,
    serviceTo: periodTo,
  });
  const lines = tenant.clusters.flatMap(({ cluster }) => [
    line(`${cluster.id}/ingress`, 'ingress_bytes', `Ingress, ${cluster.name}`, '12.482910156', 'GiB', '0.08', '100'),
    line(`${cluster.id}/egress`, 'egress_bytes', `Egress, ${cluster.name}`, '31.5', 'GiB', '0.05', '158'),
  ]);
  const total = lines.reduce((sum, { amount }) => sum + BigInt(amount.amount), 0n);
  return {
    status: 'preview',
    periodFrom,
    periodTo,
    asOf: now.toISOString(),
    currency: 'USD',
    lines,
    total: { amount: total.toString(), currency: 'USD' },
  };
}

/** Two prices of each plan on sale. */
export function fakePrices(): object {
  const item = (plan: string, meter: string, title: string, unit: string, included: string, unitPrice: string) => ({
    ...{ plan, meter, title, unit, included, unitPrice, currency: 'USD', validFrom: '2020-01-01T00:00:00.000Z' },
  });
  const items = [
    item('serverless', 'ingress_bytes', 'Data in', 'GiB', '1', '0.06'),
    item('serverless', 'egress_bytes', 'Data out', 'GiB', '2', '0.08'),
    item('dedicated', 'ingress_bytes', 'Data in', 'GiB', '50', '0.03'),
    item('dedicated', 'node_seconds', 'Dedicated node', 'thousand node-seconds', '0', '0.05'),
  ];
  return { asOf: new Date().toISOString(), items };
}
