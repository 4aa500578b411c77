import { renderEvent, type StripeEvent } from '../events.ts';
import type { Shape, StripeObject, View } from '../objects/object.ts';
import type { PaymentMethodRecord } from '../objects/payment-method.ts';
import { type AnyRecord, render } from '../objects/render.ts';
import type { World } from '../world.ts';
import * as catalogue from './catalogue.ts';
import * as creditNotes from './credit-notes.ts';
import * as customers from './customers.ts';
import * as disputes from './disputes.ts';
import * as invoices from './invoices.ts';
import * as paymentMethods from './payment-methods.ts';
import * as payments from './payments.ts';
import * as refunds from './refunds.ts';
import * as sessions from './sessions.ts';
import * as shortcuts from './shortcuts.ts';
import * as changes from './subscription-changes.ts';
import * as subscriptions from './subscriptions.ts';

/** What has been done, and everything that Stripe tells of it, in order. */
export interface Happening {
  /** What it was done to, as it is now, in the current shape. */
  readonly object: StripeObject;
  readonly events: readonly StripeEvent[];
}

/** What buyers, banks, the shop's staff and time do. Every function tells what happened. */
export type Life = ReturnType<typeof createLife>;

export function createLife(world: World, viewIn: (shape: Shape) => View) {
  const view = () => viewIn('current');

  /** Does it, and gathers what is told meanwhile. */
  function happen(act: () => AnyRecord): Happening {
    const mark = world.events.length();
    const object = render(act(), view());
    const logged = world.events.since(mark);
    return {
      object,
      // Rendered only for who looks: many tests deliver by other ways, or not at all.
      get events() {
        return logged.map((event) => renderEvent(event, view()));
      },
    };
  }

  return {
    createCustomer: (fields: customers.CustomerFields) =>
      happen(() => customers.createCustomer(world, fields)),
    updateCustomer: (id: string, fields: customers.CustomerFields) =>
      happen(() => world.change({ object: 'customer', id }, fields, 'customer.updated')),
    deleteCustomer: (id: string) => happen(() => customers.deleteCustomer(world, id)),
    /** A card for payments while the customer is away, as a checkout in setup mode leaves one. */
    savePaymentMethod: (customer: string, offSession?: PaymentMethodRecord['offSession']) =>
      happen(() => paymentMethods.savePaymentMethod(world, customer, offSession)),
    detachPaymentMethod: (id: string) =>
      happen(() => paymentMethods.detachPaymentMethod(world, id)),
    createProduct: (fields: catalogue.ProductFields) =>
      happen(() => catalogue.createProduct(world, fields)),
    createPrice: (fields: catalogue.PriceFields) =>
      happen(() => catalogue.createPrice(world, fields)),
    createCoupon: (fields: catalogue.CouponFields) =>
      happen(() => catalogue.createCoupon(world, fields)),

    paySession: (id: string, checkout?: sessions.Checkout) =>
      happen(() => sessions.paySession(world, id, checkout)),
    /** The end of a slow payment of a session. */
    endSlowPayment: (session: string, result: 'succeeded' | 'failed') =>
      happen(() => sessions.settleSession(world, session, result)),
    expireSession: (id: string) => happen(() => sessions.expireSession(world, id)),
    /** Of a session or invoice with manual capture. */
    capturePayment: (intent: string, amount?: number, shape?: Shape) =>
      happen(() => payments.capturePayment(world, intent, amount, shape)),
    cancelPayment: (intent: string, shape?: Shape) =>
      happen(() => payments.cancelPayment(world, intent, shape)),

    subscribe: (options: shortcuts.SubscribeOptions) =>
      happen(() => shortcuts.subscribe(world, options).subscription),
    renewSubscription: (id: string, how?: invoices.Collection) =>
      happen(() => subscriptions.renewSubscription(world, id, how).subscription),
    changeSubscription: (
      id: string,
      { price, ...change }: Omit<changes.SubscriptionChange, 'price'> & { readonly price?: string },
    ) =>
      happen(() =>
        changes.changeSubscription(world, id, {
          ...change,
          ...(price !== undefined && {
            price: catalogue.learnPrice(world, price, { recurring: true }),
          }),
        }),
      ),
    cancelSubscription: (id: string, when?: { readonly atPeriodEnd?: boolean }) =>
      happen(() => subscriptions.cancelSubscription(world, id, when)),

    /** An invoice that somebody wrote by hand. */
    issueInvoice: (options: shortcuts.ManualInvoiceOptions) =>
      happen(() => shortcuts.issueManualInvoice(world, options)),
    collectInvoice: (id: string, how?: invoices.Collection) =>
      happen(() => invoices.collectInvoice(world, id, how)),
    voidInvoice: (id: string) => happen(() => invoices.voidInvoice(world, id)),
    issueCreditNote: (invoice: string, plan?: creditNotes.CreditNotePlan) =>
      happen(() => creditNotes.issueCreditNote(world, invoice, plan)),
    voidCreditNote: (id: string) => happen(() => creditNotes.voidCreditNote(world, id)),

    refundPayment: (target: string, plan?: refunds.RefundPlan) =>
      happen(() => refunds.refundPayment(world, target, plan)),
    settleRefund: (id: string, status: 'succeeded' | 'failed' | 'canceled') =>
      happen(() => refunds.settleRefund(world, id, status)),
    openDispute: (target: string, plan?: disputes.DisputePlan) =>
      happen(() => disputes.openDispute(world, target, plan)),
    escalateDispute: (id: string) => happen(() => disputes.escalateDispute(world, id)),
    contestDispute: (id: string) => happen(() => disputes.contestDispute(world, id)),
    closeDispute: (id: string, result: 'won' | 'lost') =>
      happen(() => disputes.closeDispute(world, id, result)),
  };
}

/** What a test says in one line, with the one event that it is about. */
export type Shortcuts = ReturnType<typeof createShortcuts>;

export function createShortcuts(world: World, life: Life, viewIn: (shape: Shape) => View) {
  const named = ({ events }: Happening, type: string): StripeEvent => {
    const event = events.find((one) => one.type === type);
    if (!event) throw new Error(`nothing told of ${type}`);
    return event;
  };
  return {
    /** Opens a session whose prices and customer need not have been made. */
    createSession: (options: shortcuts.SessionOptions): StripeObject =>
      render(shortcuts.createSession(world, options), viewIn('current')),
    /**
     * The buyer pays, promises to (`unpaid`), or has a coupon for all of it. A session that is
     * complete is told of again.
     * @returns the checkout.session.completed event
     */
    completeSession(
      id: string,
      status: 'paid' | 'unpaid' | 'no_payment_required' = 'paid',
    ): StripeEvent {
      const type = 'checkout.session.completed';
      const session = world.store.need('checkout.session', id);
      if (session.status === 'complete') {
        world.tell(session, type);
        const [event] = world.events.since(world.events.length() - 1);
        if (event) return renderEvent(event, viewIn('current'));
      }
      const coupon = status === 'no_payment_required' ? freeOfCharge(world) : undefined;
      const method = status === 'unpaid' ? 'slow' : 'card';
      return named(life.paySession(id, { method, ...(coupon && { coupon }) }), type);
    },
    /** The end of a slow payment: the async_payment_succeeded or async_payment_failed event. */
    settleSession: (id: string, result: 'succeeded' | 'failed'): StripeEvent =>
      named(life.endSlowPayment(id, result), `checkout.session.async_payment_${result}`),
    /** An invoice with any lines, status and reason. @returns its invoice.paid event */
    payInvoice(options: shortcuts.InvoiceOptions): StripeEvent {
      const mark = world.events.length();
      shortcuts.payInvoice(world, options);
      const event = world.events.since(mark).find(({ type }) => type === 'invoice.paid');
      if (!event) throw new Error('nothing told of invoice.paid');
      return renderEvent(event, viewIn(options.shape ?? 'current'));
    },
  };
}

function freeOfCharge(world: World): string {
  const id = 'coupon_sim_free';
  return (world.store.get('coupon', id) ?? catalogue.createCoupon(world, { id, percentOff: 100 }))
    .id;
}
