import type { Metadata, StripeObject, View } from './object.ts';

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
  readonly amount: number;
  readonly description: string;
  /** The invoice's line that it takes back; null for a line of its own. */
  readonly invoiceLine: string | null;
  readonly quantity: number | null;
}

export function renderCreditNote(note: CreditNoteRecord, view: View): StripeObject {
  const { id, object, created, amount, currency, customer, invoice, refund, type } = note;
  const acacia = view.shape === 'acacia';
  return {
    id,
    object,
    amount,
    amount_shipping: 0,
    created,
    currency,
    customer,
    customer_balance_transaction: note.toBalance > 0 ? id.replace(/^cn_/, 'cbtxn_') : null,
    discount_amount: 0,
    discount_amounts: [],
    effective_at: created,
    invoice,
    lines: {
      object: 'list',
      data: note.lines.map((line) => renderLine(line, view)),
      has_more: false,
      url: `/v1/credit_notes/${id}/lines`,
    },
    livemode: view.livemode,
    memo: note.memo,
    metadata: note.metadata,
    number: note.number,
    out_of_band_amount: note.outOfBand === 0 ? null : note.outOfBand,
    pdf: '',
    ...(acacia
      ? { refund: refund?.id ?? null, tax_amounts: [] }
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
          total_taxes: [],
        }),
    pretax_credit_amounts: [],
    reason: note.reason,
    shipping_cost: null,
    status: note.status,
    subtotal: amount,
    subtotal_excluding_tax: amount,
    total: amount,
    total_excluding_tax: amount,
    type,
    voided_at: note.voidedAt,
  };
}

function renderLine(line: CreditNoteLine, view: View): StripeObject {
  const { id, amount, description, invoiceLine, quantity } = line;
  return {
    id,
    object: 'credit_note_line_item',
    amount,
    description,
    discount_amount: 0,
    discount_amounts: [],
    invoice_line_item: invoiceLine,
    livemode: view.livemode,
    pretax_credit_amounts: [],
    quantity,
    tax_rates: [],
    type: invoiceLine === null ? 'custom_line_item' : 'invoice_line_item',
    unit_amount: quantity ? amount / quantity : null,
    unit_amount_decimal: quantity ? String(amount / quantity) : null,
  };
}
