import type { ChargeRecord } from '../objects/charge.ts';
import type { Metadata, Shape } from '../objects/object.ts';
import type { PaymentIntentRecord } from '../objects/payment-intent.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { moveMoney } from './balance.ts';
import { fileRelease } from './file-refund.ts';

/** How a card's payment fails: at its bank, or because its owner would have to be there. */
export type Decline = 'declined' | 'authentication_required';

/** What is to be paid, and how it goes. */
export interface PaymentPlan {
  readonly amount: number;
  readonly currency: string;
  readonly customer: string | null;
  readonly metadata?: Metadata;
  readonly description?: string | null;
  readonly invoice?: string | null;
  /** `slow` is told days later, by settlePayment; `declined` fails at once. */
  readonly method?: 'card' | 'slow' | Decline;
  readonly capture?: 'automatic' | 'manual';
  /** The id that its payment intent is to have. */
  readonly id?: string;
}

/** Makes a payment intent and its charge, and lets them succeed, wait or fail. */
export function startPayment(world: World, plan: PaymentPlan): PaymentIntentRecord {
  const { amount, currency, customer, method = 'card', capture = 'automatic' } = plan;
  const intent = world.create<PaymentIntentRecord>(
    {
      object: 'payment_intent',
      id: plan.id ?? world.newId('pi'),
      created: world.now(),
      amount,
      amountCapturable: 0,
      amountReceived: 0,
      currency,
      customer,
      description: plan.description ?? null,
      metadata: plan.metadata ?? {},
      status: 'requires_payment_method',
      captureMethod: capture,
      method: method === 'slow' ? 'sepa_debit' : 'card',
      latestCharge: null,
      invoice: plan.invoice ?? null,
      canceledAt: null,
      failure: null,
    },
    'payment_intent.created',
  );
  if (method === 'slow') return beginSlowly(world, intent);
  if (method === 'declined') return decline(world, intent, 'card_declined');
  if (method === 'authentication_required') return decline(world, intent, method);
  if (capture === 'manual') return authorize(world, intent);
  const charge = addCharge(world, intent, { status: 'succeeded' }, 'charge.succeeded');
  return succeed(world, intent, charge);
}

function addCharge(
  world: World,
  intent: PaymentIntentRecord,
  changes: Partial<ChargeRecord>,
  type: string,
): ChargeRecord {
  const { amount, currency, customer, description, metadata, method, invoice } = intent;
  const id = world.newId('ch');
  const captured = changes.captured ?? changes.status === 'succeeded';
  return world.create<ChargeRecord>(
    {
      object: 'charge',
      id,
      created: world.now(),
      amount,
      amountCaptured: 0,
      amountRefunded: 0,
      amountReleased: 0,
      currency,
      customer,
      description,
      metadata,
      status: 'pending',
      disputed: false,
      paymentIntent: intent.id,
      method,
      invoice,
      failure: null,
      balanceTransaction: null,
      ...changes,
      captured,
      ...(captured && moneyComes(world, { id, currency, amount })),
    },
    type,
  );
}

/** What a charge says once its money is in the balance. */
function moneyComes(
  world: World,
  { id: source, currency, amount }: Pick<ChargeRecord, 'id' | 'currency' | 'amount'>,
) {
  const moved = moveMoney(world, { amount, currency, source, category: 'charge' });
  return { captured: true, amountCaptured: amount, ...moved };
}

function succeed(world: World, intent: PaymentIntentRecord, charge: ChargeRecord) {
  const changes = {
    status: 'succeeded',
    amountReceived: charge.amountCaptured,
    amountCapturable: 0,
    latestCharge: charge.id,
    failure: null,
  } as const;
  return world.change(intent, changes, 'payment_intent.succeeded');
}

function decline(world: World, intent: PaymentIntentRecord, failure: string) {
  const charge = addCharge(world, intent, { status: 'failed', failure }, 'charge.failed');
  const changes = { failure, latestCharge: charge.id };
  return world.change(intent, changes, 'payment_intent.payment_failed');
}

function authorize(world: World, intent: PaymentIntentRecord) {
  const changes = { status: 'succeeded', captured: false } as const;
  const charge = addCharge(world, intent, changes, 'charge.succeeded');
  return world.change(
    intent,
    { status: 'requires_capture', amountCapturable: intent.amount, latestCharge: charge.id },
    'payment_intent.amount_capturable_updated',
  );
}

function beginSlowly(world: World, intent: PaymentIntentRecord) {
  const charge = addCharge(world, intent, {}, 'charge.pending');
  const changes = { status: 'processing', latestCharge: charge.id } as const;
  return world.change(intent, changes, 'payment_intent.processing');
}

/** The charge of a payment intent. @throws Refusal when nothing has been charged yet */
export function chargeOf(world: World, intentId: string): ChargeRecord {
  const { latestCharge } = world.store.need('payment_intent', intentId);
  if (latestCharge === null) throw new Refusal('This PaymentIntent has no charge yet.');
  return world.store.need('charge', latestCharge);
}

/** The end of a payment that was started with a slow method. */
export function settlePayment(world: World, intentId: string, result: 'succeeded' | 'failed') {
  const intent = world.store.need('payment_intent', intentId);
  if (intent.status !== 'processing') throw new Refusal(`${intentId} is ${intent.status}.`);
  const charge = chargeOf(world, intentId);
  if (result === 'succeeded') {
    const changes = { status: 'succeeded', ...moneyComes(world, charge) } as const;
    return succeed(world, intent, world.change(charge, changes, 'charge.succeeded'));
  }
  const failure = 'insufficient_funds';
  world.change(charge, { status: 'failed', failure }, 'charge.failed');
  const changes = { status: 'requires_payment_method', failure } as const;
  return world.change(intent, changes, 'payment_intent.payment_failed');
}

/**
 * Takes the money that was only authorized, or a part of it. The rest is released: up to API version
 * 2025-02-24.acacia all of it came into the balance, and a refund takes the rest out again.
 * @param shape of the API version in which it is captured
 * @see https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow
 */
export function capturePayment(
  world: World,
  intentId: string,
  amount?: number,
  shape: Shape = 'current',
) {
  const intent = world.store.need('payment_intent', intentId);
  if (intent.status !== 'requires_capture') throw unexpected(intent);
  const taken = amount ?? intent.amountCapturable;
  if (!(taken > 0 && taken <= intent.amountCapturable)) {
    throw new Refusal('amount_to_capture is more than what was authorized.', {
      code: 'amount_too_large',
      param: 'amount_to_capture',
    });
  }
  const authorized = chargeOf(world, intentId);
  const comes = shape === 'acacia' ? authorized.amount : taken;
  const changes = {
    ...moneyComes(world, { ...authorized, amount: comes }),
    amountCaptured: taken,
  };
  if (comes > taken) fileRelease(world, { ...authorized, ...changes }, comes - taken);
  const charge = world.change(authorized, changes, 'charge.captured');
  const paid = succeed(world, intent, charge);
  markSessionPaid(world, intentId);
  return paid;
}

/** Stripe sends no session event when a payment is captured; the session still turns paid. */
function markSessionPaid(world: World, intentId: string): void {
  for (const session of world.store.naming('checkout.session', 'paymentIntent', intentId)) {
    world.change(session, { paymentStatus: 'paid' });
  }
}

/**
 * Gives up a payment that was not captured; its authorization is released, like the rest of one that
 * is captured in part.
 */
export function cancelPayment(world: World, intentId: string, shape: Shape = 'current') {
  const intent = world.store.need('payment_intent', intentId);
  if (intent.status === 'succeeded' || intent.status === 'canceled') throw unexpected(intent);
  if (intent.status === 'requires_capture' && shape === 'acacia') {
    fileRelease(world, chargeOf(world, intentId), intent.amountCapturable);
  }
  const changes = { status: 'canceled', canceledAt: world.now(), amountCapturable: 0 } as const;
  return world.change(intent, changes, 'payment_intent.canceled');
}

function unexpected({ status }: PaymentIntentRecord): Refusal {
  return new Refusal(`This PaymentIntent has a status of ${status}.`, {
    code: 'payment_intent_unexpected_state',
  });
}
