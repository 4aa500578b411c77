import { listWithin, type Metadata, type StripeObject, sum, taxes, type View } from './object.ts';

export interface CreditNoteRecord {
  readonly object: 'credit_note';
  readonly id: string;
  readonly created: number;
  readonly number: string;
  readonly amount: number;
  readonly currency: string;
  readonly customer: string;
  readonly invoice: string;
  /** How a paid invoice's amount goes back: three amounts that add up to it. */
  readonly refund: { readonly id: string; readonly amount: number } | null;
  readonly outOfBand: number;
  readonly toBalance: number;
  readonly lines: readonly CreditNoteLine[];
  readonly memo: string | null;
  readonly reason: string | null;
  readonly status: 'issued' | 'void';
  readonly type: 'pre_payment' | 'post_payment';
  readonly voidedAt: number | null;
  readonly metadata: Metadata;
}

export interface CreditNoteLine {
  readonly id: string;
  /** Before discounts and taxes. */
  readonly amount: number;
  readonly discount: number;
  readonly tax: number;
  readonly description: string;
  /** The invoice's line that it takes back; null for a line of its own. */
  readonly invoiceLine: string | null;
  readonly quantity: number | null;
}

export const totalOfLine = ({ amount, discount, tax }: CreditNoteLine) => amount - discount + tax;

export function renderCreditNote(note: CreditNoteRecord, view: View): StripeObject {
  const { id, object, created, amount, currency, customer, invoice, refund, type } = note;
  const acacia = view.shape === 'acacia';
  const discount = sum(note.lines.map((line) => line.discount));
  const tax = sum(note.lines.map((line) => line.tax));
  return {
    id,
    object,
    amount,
    amount_shipping: 0,
    created,
    currency,
    customer,
    customer_balance_transaction: note.toBalance > 0 ? id.replace(/^cn_/, 'cbtxn_') : null,
    ...discounts(discount),
    effective_at: created,
    invoice,
    lines: listWithin(
      `/v1/credit_notes/${id}/lines`,
      note.lines.map((line) => renderCreditNoteLine(line, view)),
    ),
    livemode: view.livemode,
    memo: note.memo,
    metadata: note.metadata,
    number: note.number,
    out_of_band_amount: note.outOfBand === 0 ? null : note.outOfBand,
    pdf: '',
    ...(acacia
      ? { refund: refund?.id ?? null }
      : {
          post_payment_amount: type === 'post_payment' ? amount : 0,
          pre_payment_amount: type === 'pre_payment' ? amount : 0,
          refunds: refund
            ? [
                {
                  amount_refunded: refund.amount,
                  payment_record_refund: null,
                  refund: refund.id,
                  type: 'refund',
                },
              ]
            : [],
        }),
    [acacia ? 'tax_amounts' : 'total_taxes']: taxes(tax, view),
    pretax_credit_amounts: [],
    reason: note.reason,
    shipping_cost: null,
    status: note.status,
    subtotal: amount - tax + discount,
    subtotal_excluding_tax: amount - tax + discount,
    total: amount,
    total_excluding_tax: amount - tax,
    type,
    voided_at: note.voidedAt,
  };
}

export function renderCreditNoteLine(line: CreditNoteLine, view: View): StripeObject {
  const { id, amount, description, discount, invoiceLine, quantity, tax } = line;
  return {
    id,
    object: 'credit_note_line_item',
    amount,
    description,
    ...discounts(discount),
    invoice_line_item: invoiceLine,
    livemode: view.livemode,
    pretax_credit_amounts: [],
    quantity,
    [view.shape === 'acacia' ? 'tax_amounts' : 'taxes']: taxes(tax, view),
    tax_rates: [],
    type: invoiceLine === null ? 'custom_line_item' : 'invoice_line_item',
    unit_amount: quantity ? amount / quantity : null,
    unit_amount_decimal: quantity ? String(amount / quantity) : null,
  };
}

const discounts = (amount: number) => ({
  discount_amount: amount,
  discount_amounts: amount === 0 ? [] : [{ amount, discount: 'di_sim' }],
});
