import type { InvoiceLine } from '../objects/invoice-line.ts';
import type { PaymentIntentRecord } from '../objects/payment-intent.ts';
import { grossOf, type SessionLine, type SessionRecord, sessionTotal } from '../objects/session.ts';
import type { SetupIntentRecord } from '../objects/setup-intent.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { createCustomer } from './customers.ts';
import { draftInvoice, finalizeInvoice, markPaid, settleInvoice } from './invoices.ts';
import { savePaymentMethod } from './payment-methods.ts';
import { settlePayment, startPayment } from './payments.ts';
import { applyCoupon, changeQuantities } from './session-lines.ts';
import { startSubscription } from './subscriptions.ts';

/** What the buyer does on the checkout page. */
export interface Checkout {
  /** `slow` is told days later, by settleSession; after `declined` the session stays open. */
  readonly method?: 'card' | 'slow' | 'declined';
  /** The quantity of adjustable lines, by the line's id. */
  readonly quantities?: Readonly<Record<string, number>>;
  /** A coupon (its id) that is applied first. */
  readonly coupon?: string;
}

export type SessionPlan = Pick<SessionRecord, 'mode' | 'lines'> & Partial<SessionRecord>;

/** Opens a session. Stripe tells nobody about that. */
export function openSession(world: World, plan: SessionPlan): SessionRecord {
  const now = world.now();
  const setup = plan.mode === 'setup';
  const id = plan.id ?? world.newId(`cs_${world.mode}`);
  const session = world.create<SessionRecord>({
    object: 'checkout.session',
    created: now,
    currency: plan.lines[0]?.price.currency ?? 'usd',
    customer: null,
    customerEmail: null,
    customerCreation: plan.customer || plan.mode === 'subscription' ? null : 'if_required',
    clientReferenceId: null,
    allowPromotionCodes: null,
    coupon: null,
    metadata: {},
    paymentMetadata: {},
    subscriptionMetadata: {},
    trialDays: 0,
    invoiceMetadata: null,
    captureMethod: 'automatic',
    successUrl: null,
    cancelUrl: null,
    expiresAt: now + 86_400,
    status: 'open',
    paymentStatus: setup ? 'no_payment_required' : 'unpaid',
    paymentIntent: null,
    invoice: null,
    subscription: null,
    setupIntent: setup ? newSetupIntent(world, plan.customer ?? null).id : null,
    ...plan,
    id,
  });
  return plan.coupon ? applyCoupon(world, session, plan.coupon) : session;
}

function newSetupIntent(world: World, customer: string | null): SetupIntentRecord {
  const [id, created] = [world.newId('seti'), world.now()];
  const status = 'requires_payment_method';
  return world.create(
    { object: 'setup_intent', id, created, customer, status },
    'setup_intent.created',
  );
}

/** The buyer pays, or promises to. */
export function paySession(world: World, id: string, checkout: Checkout = {}): SessionRecord {
  let session = open(world, id);
  if (checkout.quantities) session = changeQuantities(world, session, checkout.quantities);
  if (checkout.coupon) session = applyCoupon(world, session, checkout.coupon);
  if (checkout.method === 'declined') {
    const plan = paymentPlan(session);
    if (plan.amount > 0) startPayment(world, { ...plan, method: 'declined' });
    return session;
  }
  session = withCustomer(world, session);
  const how = checkout.method ?? 'card';
  switch (session.mode) {
    case 'payment':
      return pay(world, session, how);
    case 'subscription':
      return subscribe(world, session, how);
    case 'setup':
      return setUp(world, session);
  }
}

/** @throws Refusal when it is complete or expired */
function open(world: World, id: string): SessionRecord {
  const session = currentSession(world, id);
  if (session.status === 'open') return session;
  throw new Refusal(`This Session is ${session.status}.`);
}

function paymentPlan(session: SessionRecord) {
  const { currency, customer, paymentMetadata: metadata, captureMethod: capture } = session;
  const amount = sessionTotal(session);
  return { amount, currency: currency ?? 'usd', customer, metadata, capture } as const;
}

function withCustomer(world: World, session: SessionRecord): SessionRecord {
  const { mode, customer, customerCreation, invoiceMetadata, customerEmail } = session;
  const needed = mode !== 'payment' || customerCreation === 'always' || invoiceMetadata !== null;
  if (customer !== null || !needed) return session;
  const { id } = createCustomer(world, { email: customerEmail ?? 'buyer@example.com' });
  return world.change(session, { customer: id });
}

function complete(world: World, session: SessionRecord, changes: Partial<SessionRecord>) {
  return world.change(session, { ...changes, status: 'complete' }, 'checkout.session.completed');
}

function pay(world: World, session: SessionRecord, method: 'card' | 'slow'): SessionRecord {
  const plan = paymentPlan(session);
  if (plan.amount === 0) {
    const invoice = invoicePayment(world, session, null);
    return complete(world, session, { paymentStatus: 'no_payment_required', invoice });
  }
  const makesInvoice = session.invoiceMetadata !== null;
  const invoice = makesInvoice ? (session.invoice ?? world.newId('in')) : null;
  const intent = startPayment(world, { ...plan, method, invoice });
  const paid = intent.status === 'succeeded';
  const paymentIntent = intent.id;
  if (!paid) return complete(world, session, { paymentIntent });
  const made = world.change(session, { invoice });
  return complete(world, made, {
    paymentStatus: 'paid',
    paymentIntent,
    invoice: invoicePayment(world, made, intent),
  });
}

/** The invoice of a payment whose session asked for one. @returns its id */
function invoicePayment(world: World, session: SessionRecord, intent: PaymentIntentRecord | null) {
  const { invoiceMetadata: metadata, customer, currency, invoice } = session;
  if (metadata === null || (invoice !== null && world.store.get('invoice', invoice))) {
    return invoice;
  }
  const { id } = draftInvoice(world, {
    ...(invoice !== null && { id: invoice }),
    customer,
    currency: currency ?? 'usd',
    billingReason: 'manual',
    metadata,
    lines: session.lines.map((line) => invoiceLine(world, line)),
  });
  markPaid(world, finalizeInvoice(world, id), intent);
  return id;
}

function invoiceLine(world: World, line: SessionLine): InvoiceLine {
  const { price, description, discount, tax, quantity } = line;
  return {
    id: world.newId('il'),
    price,
    description,
    amount: grossOf(line),
    discount,
    tax,
    quantity,
    proration: false,
    subscription: null,
    subscriptionItem: null,
    periodStart: world.now(),
    periodEnd: world.now(),
    metadata: {},
  };
}

function subscribe(world: World, session: SessionRecord, method: 'card' | 'slow') {
  const { customer, trialDays, lines, subscription: wanted } = session;
  if (customer === null) throw new Error('a subscription has a customer');
  // A test may have made the subscription before its checkout.
  if (wanted !== null && world.store.get('subscription', wanted)) {
    return complete(world, session, { paymentStatus: 'paid' });
  }
  const { subscription, invoice } = startSubscription(
    world,
    {
      ...(wanted !== null && { id: wanted }),
      customer,
      trialDays,
      metadata: session.subscriptionMetadata,
      items: lines.filter(({ price }) => price.recurring),
      extras: lines.filter(({ price }) => !price.recurring).map((line) => invoiceLine(world, line)),
    },
    method,
  );
  return complete(world, session, {
    subscription: subscription.id,
    invoice: invoice.id,
    paymentStatus: paymentStatusOf(invoice),
  });
}

function paymentStatusOf({ status, amountPaid }: { status: string; amountPaid: number }) {
  if (status !== 'paid') return 'unpaid';
  return amountPaid > 0 ? 'paid' : 'no_payment_required';
}

function setUp(world: World, session: SessionRecord): SessionRecord {
  if (session.setupIntent !== null) {
    const setup = world.store.need('setup_intent', session.setupIntent);
    const { customer } = session;
    if (customer !== null) savePaymentMethod(world, customer);
    world.change(setup, { status: 'succeeded', customer }, 'setup_intent.succeeded');
  }
  return complete(world, session, {});
}

/** The end of a slow payment. */
export function settleSession(world: World, id: string, result: 'succeeded' | 'failed') {
  const session = world.store.need('checkout.session', id);
  if (session.status !== 'complete' || session.paymentStatus !== 'unpaid') {
    throw new Refusal(`Session ${id} waits for no payment.`);
  }
  const { invoice: invoiceId } = session;
  const invoice = invoiceId === null ? null : world.store.get('invoice', invoiceId);
  const intentId = session.paymentIntent ?? invoice?.paymentIntent;
  if (!intentId) throw new Refusal(`Session ${id} has no payment.`);
  const intent = settlePayment(world, intentId, result);
  const settled = settleInvoice(world, intent);
  const paid = result === 'succeeded';
  if (!paid && session.subscription !== null) {
    const subscription = { object: 'subscription', id: session.subscription } as const;
    world.change(subscription, { status: 'past_due' }, 'customer.subscription.updated');
  }
  const named = paid
    ? world.change(session, { invoice: intent.invoice ?? settled?.id ?? null })
    : session;
  return world.change(
    named,
    {
      paymentStatus: paid ? 'paid' : 'unpaid',
      ...(paid && session.mode === 'payment' && { invoice: invoicePayment(world, named, intent) }),
    },
    `checkout.session.async_payment_${result}`,
  );
}

/** Nobody can pay any more. */
export function expireSession(world: World, id: string): SessionRecord {
  const session = world.store.need('checkout.session', id);
  if (session.status !== 'open') {
    throw new Refusal(`Only Checkout Sessions with a status in ["open"] can be expired.`);
  }
  return world.change(session, { status: 'expired' }, 'checkout.session.expired');
}

/** The session as it is now: expired, when its time has come. */
export function currentSession(world: World, id: string): SessionRecord {
  const session = world.store.need('checkout.session', id);
  const due = session.status === 'open' && session.expiresAt <= world.now();
  return due ? expireSession(world, id) : session;
}
