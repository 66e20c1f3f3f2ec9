import type { InvoiceProof, SignedWindow, Invoice } from '@robustmq/contracts';
import { agentKeys, type Database, type TenantTx } from '@robustmq/db';
import type { z } from 'zod';
import { BillingError } from './billing-error.ts';
import { inputsOf, readInvoice } from './invoices.ts';

type Periods = readonly { readonly from: string; readonly to: string }[];

/** The periods whose windows an invoice counts: its own, and those it corrects. */
const periodsOf = (inputs: InvoiceProof['inputs']): Periods => [
  inputs.period,
  ...inputs.corrected.map((one) => one.period),
];

/** What an issued invoice follows from, with the keys of the agents that signed its windows. */
export function invoiceProof(
  database: Database,
  tenantId: string,
  invoiceId: string,
): Promise<z.input<typeof InvoiceProof>> {
  return database.withTenant(tenantId, async (tx) => {
    const invoice: Invoice = await readInvoice(tx, tenantId, invoiceId);
    const row = await tx.invoice.findUniqueOrThrow({ where: { id: invoiceId } });
    const inputs = inputsOf(row);
    await refuseRetired(tx, inputs);
    const agents = new Set<string>();
    for (const { from, to } of periodsOf(inputs)) {
      const rows = await tx.$queryRaw<{ id: string }[]>`
        SELECT DISTINCT agent_id::text AS id FROM usage_windows WHERE tenant_id = ${tenantId}::uuid
          AND window_start >= ${new Date(from)} AND window_start < ${new Date(to)}`;
      for (const { id } of rows) agents.add(id);
    }
    return { invoice, inputs, agentKeys: Object.fromEntries(await agentKeys(tx, [...agents])) };
  });
}

/** Windows that went to the archive are with whoever runs the platform; without them nothing can be proven. */
async function refuseRetired(tx: TenantTx, inputs: InvoiceProof['inputs']): Promise<void> {
  if (inputs.quantities.length === 0) return;
  const months = periodsOf(inputs).map(({ from }) => from.slice(0, 7));
  const tables = months.map((month) => `usage_windows_${month.replace('-', '_')}`);
  const [row] = await tx.$queryRaw<{ gone: boolean }[]>`
    SELECT bool_or(to_regclass('public.' || name) IS NULL) AS gone FROM unnest(${tables}::text[]) AS t(name)`;
  if (row!.gone)
    throw new BillingError(
      'conflict',
      `the usage windows of ${months[0]} are in the archive: ask the operator for them`,
    );
}

interface WindowRow {
  readonly agentId: string;
  readonly nodeId: string;
  readonly nodeEpoch: string;
  readonly clusterId: string;
  readonly protocol: string;
  readonly meter: string;
  readonly windowStart: Date;
  readonly seq: bigint;
  readonly value: string;
  readonly cumulative: string;
  readonly signature: string | null;
}

/** Where a page of windows goes on; positions in the one order of windows. */
const cursorOf = (row: WindowRow): string =>
  Buffer.from(
    JSON.stringify([row.windowStart.getTime(), row.nodeId, row.nodeEpoch, row.clusterId, row.protocol, row.meter]),
  ).toString('base64url');

function positionOf(cursor: string | undefined): [number, string, string, string, string, string] {
  if (cursor === undefined) return [0, '', '', '00000000-0000-0000-0000-000000000000', '', ''];
  try {
    const read = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as [
      number,
      string,
      string,
      string,
      string,
      string,
    ];
    if (read.length === 6 && Number.isFinite(read[0])) return read;
  } catch {
    // answered below
  }
  throw new BillingError('validation-failed', 'the cursor is not one of this list');
}

/** A page of the windows an invoice counts, in time order, signatures included. */
export function invoiceWindows(
  database: Database,
  tenantId: string,
  invoiceId: string,
  page: { readonly limit: number; readonly cursor?: string | undefined },
) {
  return database.withTenant(tenantId, async (tx) => {
    const row = await tx.invoice.findUnique({ where: { tenantId_id: { tenantId, id: invoiceId } } });
    if (!row) throw new BillingError('not-found', 'there is no such invoice');
    const inputs = inputsOf(row);
    const periods = periodsOf(inputs);
    const [startMs, nodeId, nodeEpoch, clusterId, protocol, meter] = positionOf(page.cursor);
    const rows = await tx.$queryRaw<WindowRow[]>`
      SELECT w.agent_id::text AS "agentId", w.node_id AS "nodeId", w.node_epoch AS "nodeEpoch",
        w.cluster_id::text AS "clusterId", w.protocol, w.meter, w.window_start AS "windowStart", w.seq,
        w.value::text AS value, w.cumulative::text AS cumulative, w.signature
      FROM usage_windows w
      WHERE w.tenant_id = ${tenantId}::uuid AND w.received_at <= ${new Date(inputs.countedUntil)}
        AND EXISTS (SELECT FROM unnest(${periods.map((one) => one.from)}::timestamptz[], ${periods.map((one) => one.to)}::timestamptz[])
          AS p(f, t) WHERE w.window_start >= p.f AND w.window_start < p.t)
        AND (w.window_start, w.node_id, w.node_epoch, w.cluster_id, w.protocol, w.meter) >
            (${new Date(startMs)}::timestamptz, ${nodeId}, ${nodeEpoch}, ${clusterId}::uuid, ${protocol}, ${meter})
      ORDER BY 7, 2, 3, w.cluster_id, 5, 6 LIMIT ${page.limit + 1}`;
    const items = rows
      .slice(0, page.limit)
      .map(({ windowStart, seq, signature, ...rest }): z.input<typeof SignedWindow> => ({
        ...(rest as unknown as Omit<z.input<typeof SignedWindow>, 'windowStartMs' | 'seq'>),
        ...{ windowStartMs: windowStart.getTime(), seq: Number(seq) },
        ...(signature === null ? {} : { signature }),
      }));
    return { items, ...(rows.length > page.limit ? { nextCursor: cursorOf(rows[page.limit - 1]!) } : {}) };
  });
}
