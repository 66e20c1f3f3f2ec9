import { createPublicKey, verify } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { InvoiceProof, SignedWindow, usageWindowText } from '@robustmq/contracts';
import { verifyInvoice } from '@robustmq/rating';
import type { Context } from './context.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';
import { moneyOf } from './money.ts';

/** The lines of a file, one JSON value each. */
export async function* linesOf(path: string): AsyncGenerator<unknown> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (line.trim() === '') continue;
    try {
      yield JSON.parse(line);
    } catch {
      throw new Failure(EXIT.failed, `${path} is not a proof: a line of it is not JSON.`);
    }
  }
}

/** Ed25519 over the canonical text of a window. A key that is none has signed nothing. */
function isSigned(window: SignedWindow, pem: string): boolean {
  try {
    const signature = Buffer.from(window.signature ?? '', 'base64');
    return verify(null, Buffer.from(usageWindowText(window), 'utf8'), createPublicKey(pem), signature);
  } catch {
    return false;
  }
}

const pemText = (pem: string): string => pem.replaceAll(/\s/g, '');

/** Verifies the lines of a proof file: the proof itself, then its windows. Throws a Failure when it does not hold. */
export async function verifyLines(
  context: Context,
  wanted: string,
  source: AsyncGenerator<unknown>,
  keyPaths: readonly string[],
): Promise<void> {
  const first = await source.next();
  const proof = InvoiceProof.safeParse(first.value);
  if (!proof.success) throw usageFailure(`"${wanted}" is not the proof of an invoice.`);
  const pinned = keyPaths.map((path) => pemText(readFileSync(path, 'utf8')));
  const strange = Object.entries(proof.data.agentKeys).filter(([, pem]) => !pinned.includes(pemText(pem)));
  if (pinned.length > 0 && strange.length > 0)
    throw new Failure(EXIT.failed, `The file has the key of agent ${strange[0]![0]}, which is none of those you gave.`);
  const windows = async function* (): AsyncGenerator<SignedWindow> {
    for await (const line of source) yield SignedWindow.parse(line);
  };
  const report = await verifyInvoice(proof.data, windows(), isSigned);
  const { invoice } = proof.data;
  await context.print({ invoice: invoice.number, verified: report.problems.length === 0, ...report }, () =>
    [
      `Invoice ${invoice.number}: ${report.windows} windows, ${report.unsigned} of them without a signature of their own.`,
      `Made again: ${moneyOf({ amount: report.total, currency: report.currency })}; billed: ${moneyOf(invoice.total)}.`,
      ...(report.firstAltered === null ? [] : [`First altered window: ${report.firstAltered}.`]),
      ...report.problems,
      '',
    ].join('\n'),
  );
  if (report.problems.length > 0) throw new Failure(EXIT.failed, 'The invoice does NOT follow from its windows.');
  context.terminal.note('Verified: the invoice follows from its windows to the last cent.');
}
