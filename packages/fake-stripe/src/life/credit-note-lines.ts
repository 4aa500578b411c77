import type { CreditNoteLine } from '../objects/credit-note.ts';
import type { InvoiceRecord } from '../objects/invoice.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';

/** What is credited: of a line of the invoice so many cents or pieces, or something else. */
export type CreditedLine =
  | { readonly line: string; readonly amount: number }
  | { readonly line: string; readonly quantity: number }
  /** A line of its own, which names none of the invoice's. */
  | { readonly description: string; readonly unitAmount: number; readonly quantity: number };

/** The lines of a credit note. Of a line's discount and tax they credit the same share. */
export function creditLines(
  world: World,
  invoice: InvoiceRecord,
  lines: readonly CreditedLine[],
): readonly CreditNoteLine[] {
  return lines.map((one) => ({
    id: world.newId('cnli'),
    ...('line' in one ? creditOf(invoice, one) : ownLine(one)),
  }));
}

function ownLine({
  description,
  unitAmount,
  quantity,
}: Exclude<CreditedLine, { readonly line: string }>): Omit<CreditNoteLine, 'id'> {
  const amount = unitAmount * quantity;
  return { description, amount, discount: 0, tax: 0, invoiceLine: null, quantity };
}

function creditOf(
  { lines }: InvoiceRecord,
  credit: Extract<CreditedLine, { readonly line: string }>,
): Omit<CreditNoteLine, 'id'> {
  const line = lines.find(({ id }) => id === credit.line);
  if (!line) throw new Refusal(`The invoice has no line ${credit.line}.`, { param: 'lines' });
  const { description } = line;
  const byQuantity = 'quantity' in credit;
  const amount = byQuantity ? (line.amount / line.quantity) * credit.quantity : credit.amount;
  if (!Number.isSafeInteger(amount) || amount < 0 || amount > line.amount) {
    throw new Refusal(`Line ${line.id} has no ${amount} cents to be credited.`, { param: 'lines' });
  }
  const share = (cents: number) => Math.round((cents * amount) / Math.max(line.amount, 1));
  return {
    ...{ amount, description, invoiceLine: line.id },
    ...{ discount: share(line.discount), tax: share(line.tax) },
    quantity: byQuantity ? credit.quantity : line.quantity,
  };
}
