import { amountDue, type InvoiceRecord, invoiceTotal } from '../objects/invoice.ts';
import type { InvoiceLine } from '../objects/invoice-line.ts';
import type { InvoicePaymentRecord } from '../objects/invoice-payment.ts';
import type { Metadata } from '../objects/object.ts';
import type { PaymentIntentRecord } from '../objects/payment-intent.ts';
import type { PriceRecord } from '../objects/price.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { type Decline, startPayment } from './payments.ts';

export interface InvoicePlan {
  readonly customer: string | null;
  readonly billingReason: string;
  readonly lines: readonly InvoiceLine[];
  readonly id?: string;
  readonly currency?: string;
  readonly metadata?: Metadata;
  readonly subscription?: { readonly id: string; readonly metadata: Metadata } | null;
}

/** How an invoice is collected: `out_of_band` is marked as paid without a payment of Stripe's. */
export type Collection = 'card' | 'slow' | Decline | 'out_of_band' | 'not_at_all';

/** Makes a draft, with the credit that the customer has. */
export function draftInvoice(world: World, plan: InvoicePlan): InvoiceRecord {
  const customer = plan.customer === null ? null : world.store.get('customer', plan.customer);
  return world.create<InvoiceRecord>(
    {
      object: 'invoice',
      id: plan.id ?? world.newId('in'),
      created: world.now(),
      number: `SIM-${String(world.store.count('invoice') + 1).padStart(4, '0')}`,
      status: 'draft',
      billingReason: plan.billingReason,
      currency: plan.currency ?? 'usd',
      customer: plan.customer,
      customerEmail: customer?.email ?? null,
      metadata: plan.metadata ?? {},
      subscription: plan.subscription?.id ?? null,
      subscriptionMetadata: plan.subscription?.metadata ?? {},
      lines: plan.lines,
      startingBalance: customer?.balance ?? 0,
      endingBalance: null,
      amountPaid: 0,
      attemptCount: 0,
      paidOutOfBand: false,
      paymentIntent: null,
      charge: null,
      finalizedAt: null,
      paidAt: null,
      voidedAt: null,
      prePaymentCredit: 0,
      postPaymentCredit: 0,
    },
    'invoice.created',
  );
}

/** Adds a line of a price to a draft. */
export function addLine(world: World, id: string, price: PriceRecord, quantity: number) {
  const invoice = world.store.need('invoice', id);
  if (invoice.status !== 'draft') throw new Refusal(`This invoice is already ${invoice.status}.`);
  const line: InvoiceLine = {
    id: world.newId('il'),
    price,
    description: world.store.get('product', price.product)?.name ?? price.id,
    amount: price.unitAmount * quantity,
    discount: 0,
    tax: 0,
    quantity,
    proration: false,
    subscription: null,
    subscriptionItem: null,
    periodStart: world.now(),
    periodEnd: world.now(),
    metadata: {},
  };
  world.change(invoice, { lines: [...invoice.lines, line] }, 'invoice.updated');
  return line;
}

/** Makes the invoice one to be paid; the customer's credit is used, or grows. */
export function finalizeInvoice(world: World, id: string): InvoiceRecord {
  const invoice = world.store.need('invoice', id);
  if (invoice.status !== 'draft') throw new Refusal(`This invoice is already ${invoice.status}.`);
  const { startingBalance } = invoice;
  const total = invoiceTotal(invoice);
  const endingBalance = total < 0 ? startingBalance + total : Math.min(startingBalance + total, 0);
  const customer = invoice.customer && world.store.get('customer', invoice.customer);
  const moved = startingBalance < 0 || total < 0;
  if (customer && moved) world.change(customer, { balance: endingBalance }, 'customer.updated');
  return world.change(
    invoice,
    {
      status: 'open',
      finalizedAt: world.now(),
      endingBalance: moved ? endingBalance : startingBalance,
    },
    'invoice.finalized',
  );
}

/** Collects an open invoice. Nothing is charged for one of $0, which is paid all the same. */
export function collectInvoice(world: World, id: string, how: Collection = 'card'): InvoiceRecord {
  const invoice = world.store.need('invoice', id);
  if (invoice.status !== 'open') throw new Refusal(`This invoice is ${invoice.status}.`);
  if (how === 'not_at_all') return invoice;
  const due = amountDue(invoice);
  if (due === 0) return markPaid(world, invoice, null);
  if (how === 'out_of_band') return markPaid(world, invoice, null, true);
  const { currency, customer, billingReason } = invoice;
  const intent = startPayment(world, {
    amount: due,
    currency,
    customer,
    description: billingReason === 'subscription_create' ? 'Subscription creation' : 'Invoice',
    invoice: id,
    method: how,
  });
  const names = { paymentIntent: intent.id, charge: intent.latestCharge };
  const attempted = world.change(invoice, { ...names, attemptCount: invoice.attemptCount + 1 });
  if (intent.status === 'succeeded') return markPaid(world, attempted, intent);
  openPayment(world, attempted, intent);
  if (how !== 'slow') world.tell(attempted, 'invoice.payment_failed');
  return attempted;
}

/** The end of an invoice's slow payment, after settlePayment. */
export function settleInvoice(world: World, intent: PaymentIntentRecord): InvoiceRecord | null {
  const invoice = intent.invoice === null ? null : world.store.get('invoice', intent.invoice);
  if (invoice?.status !== 'open') return null;
  if (intent.status === 'succeeded') return markPaid(world, invoice, intent);
  world.tell(invoice, 'invoice.payment_failed');
  return invoice;
}

/** An open invoice payment says who is about to pay; it turns paid with the invoice. */
function openPayment(
  world: World,
  invoice: InvoiceRecord,
  intent: PaymentIntentRecord,
): InvoicePaymentRecord {
  const known = paymentOf(world, invoice.id, intent.id);
  return (
    known ??
    world.create<InvoicePaymentRecord>({
      object: 'invoice_payment',
      id: world.newId('inpay'),
      created: world.now(),
      currency: invoice.currency,
      invoice: invoice.id,
      paymentIntent: intent.id,
      amountRequested: intent.amount,
      status: 'open',
      paidAt: null,
      canceledAt: null,
    })
  );
}

function paymentOf(world: World, invoice: string, intent: string) {
  const payments = world.store.naming('invoice_payment', 'invoice', invoice);
  return payments.find(({ paymentIntent }) => paymentIntent === intent);
}

/** Marks an invoice as paid: by a payment intent, or by nothing for $0 and out of band. */
export function markPaid(
  world: World,
  invoice: InvoiceRecord,
  intent: PaymentIntentRecord | null,
  outOfBand = false,
): InvoiceRecord {
  const paidAt = world.now();
  const payment = intent && openPayment(world, invoice, intent);
  const paid = world.change(
    invoice,
    {
      status: 'paid',
      paidAt,
      amountPaid: amountDue(invoice),
      paidOutOfBand: outOfBand,
      ...(intent && { paymentIntent: intent.id, charge: intent.latestCharge }),
    },
    'invoice.paid',
  );
  world.tell(paid, 'invoice.payment_succeeded');
  if (payment) world.change(payment, { status: 'paid', paidAt }, 'invoice_payment.paid');
  const subscription = paid.subscription && world.store.get('subscription', paid.subscription);
  if (subscription && subscription.status === 'past_due') {
    world.change(subscription, { status: 'active' }, 'customer.subscription.updated');
  }
  return paid;
}

/** Draft, finalize and collect at once. */
export function issueInvoice(world: World, plan: InvoicePlan, how?: Collection): InvoiceRecord {
  const { id } = draftInvoice(world, plan);
  finalizeInvoice(world, id);
  return collectInvoice(world, id, how);
}

export function voidInvoice(world: World, id: string): InvoiceRecord {
  const invoice = world.store.need('invoice', id);
  if (invoice.status !== 'open') throw new Refusal(`This invoice is ${invoice.status}.`);
  for (const payment of world.store.naming('invoice_payment', 'invoice', id)) {
    if (payment.status === 'open') {
      world.change(payment, { status: 'canceled', canceledAt: world.now() });
    }
  }
  return world.change(invoice, { status: 'void', voidedAt: world.now() }, 'invoice.voided');
}
