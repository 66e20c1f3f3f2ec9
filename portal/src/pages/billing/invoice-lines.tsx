import { Paper, Table, Text } from '@mantine/core';
import type { InvoicePreview } from '@robustmq/client';
import { decimalText, moneyText, priceText, quantityText, type Money } from './money.ts';
import { periodText } from './period.ts';

type Line = InvoicePreview['lines'][number];

interface InvoiceLinesProps {
  readonly label: string;
  readonly lines: readonly Line[];
  /** Rows below the lines: subtotal, tax, total. The last is set in bold. */
  readonly sums: readonly { readonly label: string; readonly amount: Money }[];
}

/** Lines that are priced by a unit; a discount or a tax is an amount alone. */
const isPriced = (line: Line): boolean => line.kind === 'usage' || line.kind === 'flat' || line.kind === 'adjustment';

/** What is charged: quantity × unit price = amount, line by line, and the sums. */
export function InvoiceLines({ label, lines, sums }: InvoiceLinesProps) {
  return (
    <Paper>
      <Table.ScrollContainer minWidth={300} type="native">
        <Table aria-label={label}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">What</Table.Th>
              <Table.Th scope="col" ta="right" visibleFrom="sm">
                Quantity
              </Table.Th>
              <Table.Th scope="col" ta="right" visibleFrom="sm">
                Unit price
              </Table.Th>
              <Table.Th scope="col" ta="right">
                Amount
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {lines.map((line) => (
              <LineRow key={line.identity} line={line} />
            ))}
          </Table.Tbody>
          <Table.Tfoot>
            {sums.map(({ label: name, amount }, index) => (
              <Table.Tr key={name}>
                <Table.Th scope="row">{name}</Table.Th>
                <Table.Td visibleFrom="sm" />
                <Table.Td visibleFrom="sm" />
                <Table.Td ta="right" fw={index === sums.length - 1 ? 700 : 400} className="amount">
                  {moneyText(amount)}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tfoot>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}

function LineRow({ line }: { line: Line }) {
  const quantity = isPriced(line) ? `${quantityText(line.quantity)} ${line.unit}` : '';
  const price = isPriced(line) ? priceText(line.unitPrice, line.amount.currency) : '';
  return (
    <Table.Tr>
      <Table.Td style={{ overflowWrap: 'anywhere' }}>
        {line.description}
        <Text size="xs" c="dimmed">
          {periodText(line.serviceFrom, line.serviceTo)}
        </Text>
        {isPriced(line) && (
          <Text size="xs" hiddenFrom="sm">
            {quantity} × {price}
          </Text>
        )}
      </Table.Td>
      <Table.Td
        ta="right"
        visibleFrom="sm"
        className="amount"
        {...(isPriced(line) ? { title: decimalText(line.quantity) } : {})}
      >
        {quantity}
      </Table.Td>
      <Table.Td ta="right" visibleFrom="sm" className="amount">
        {price && `${price} / ${line.unit}`}
      </Table.Td>
      <Table.Td ta="right" className="amount">
        {moneyText(line.amount)}
      </Table.Td>
    </Table.Tr>
  );
}
