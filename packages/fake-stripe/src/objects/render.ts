import { type BalanceTransactionRecord, renderBalanceTransaction } from './balance-transaction.ts';
import { type ChargeRecord, renderCharge } from './charge.ts';
import {
  type CouponRecord,
  type PromotionCodeRecord,
  renderCoupon,
  renderPromotionCode,
} from './coupon.ts';
import { type CreditNoteRecord, renderCreditNote } from './credit-note.ts';
import { type CustomerRecord, renderCustomer } from './customer.ts';
import { type DisputeRecord, renderDispute } from './dispute.ts';
import { type InvoiceRecord, renderInvoice } from './invoice.ts';
import { type InvoicePaymentRecord, renderInvoicePayment } from './invoice-payment.ts';
import type { StripeObject, View } from './object.ts';
import { type PaymentIntentRecord, renderPaymentIntent } from './payment-intent.ts';
import { type PortalSessionRecord, renderPortalSession } from './portal-session.ts';
import { type PriceRecord, renderPrice } from './price.ts';
import { type ProductRecord, renderProduct } from './product.ts';
import { type RefundRecord, renderRefund } from './refund.ts';
import { renderSession, type SessionRecord } from './session.ts';
import { renderSetupIntent, type SetupIntentRecord } from './setup-intent.ts';
import { renderSubscription, type SubscriptionRecord } from './subscription.ts';

/** Everything that the fake knows is a record: plain, immutable data in a form of its own. */
export type AnyRecord =
  | BalanceTransactionRecord
  | ChargeRecord
  | CouponRecord
  | CreditNoteRecord
  | CustomerRecord
  | DisputeRecord
  | InvoicePaymentRecord
  | InvoiceRecord
  | PaymentIntentRecord
  | PortalSessionRecord
  | PriceRecord
  | ProductRecord
  | PromotionCodeRecord
  | RefundRecord
  | SessionRecord
  | SetupIntentRecord
  | SubscriptionRecord;

export type Kind = AnyRecord['object'];
export type RecordOf<K extends Kind> = Extract<AnyRecord, { readonly object: K }>;

/** The object that Stripe would give, in the shape of an API version. */
export function render(record: AnyRecord, view: View): StripeObject {
  switch (record.object) {
    case 'balance_transaction':
      return renderBalanceTransaction(record);
    case 'billing_portal.session':
      return renderPortalSession(record, view);
    case 'charge':
      return renderCharge(record, view);
    case 'checkout.session':
      return renderSession(record, view);
    case 'coupon':
      return renderCoupon(record, view);
    case 'credit_note':
      return renderCreditNote(record, view);
    case 'customer':
      return renderCustomer(record, view);
    case 'dispute':
      return renderDispute(record, view);
    case 'invoice':
      return renderInvoice(record, view);
    case 'invoice_payment':
      return renderInvoicePayment(record, view);
    case 'payment_intent':
      return renderPaymentIntent(record, view);
    case 'price':
      return renderPrice(record, view);
    case 'product':
      return renderProduct(record, view);
    case 'promotion_code':
      return renderPromotionCode(record, view);
    case 'refund':
      return renderRefund(record, view);
    case 'setup_intent':
      return renderSetupIntent(record, view);
    case 'subscription':
      return renderSubscription(record, view);
  }
}
