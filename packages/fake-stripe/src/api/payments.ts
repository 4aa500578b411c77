import { cancelPayment, capturePayment } from '../life/payments.ts';
import { refundPayment, settleRefund } from '../life/refunds.ts';
import { missing, Refusal } from '../refusal.ts';
import { listRecords } from './list.ts';
import { atLeast, checkKnown, given, metadata, oneOf, text } from './params.ts';
import { type Call, type Routes, show } from './route.ts';

const OF_CHARGE = { charge: 'charge', payment_intent: 'paymentIntent' } as const;
const REASONS = ['duplicate', 'fraudulent', 'requested_by_customer'] as const;

/** Payment intents, their charges, and what becomes of those. */
export const paymentRoutes: Routes = {
  'GET payment_intents': (call) =>
    listRecords(call, 'payment_intent', { filters: { customer: 'customer' } }),
  'GET payment_intents/:id': (call) => show(call, call.world.store.need('payment_intent', call.id)),
  'POST payment_intents/:id/capture': (call) => {
    checkKnown(call.form, ['amount_to_capture']);
    const amount = atLeast(1, call.form, 'amount_to_capture');
    return show(call, capturePayment(call.world, call.id, amount, call.view.shape));
  },
  'POST payment_intents/:id/cancel': (call) =>
    show(call, cancelPayment(call.world, call.id, call.view.shape)),
  'GET charges': (call) =>
    listRecords(call, 'charge', {
      filters: { payment_intent: 'paymentIntent', customer: 'customer' },
    }),
  'GET charges/:id': (call) => show(call, call.world.store.need('charge', call.id)),
  'GET balance_transactions/:id': (call) =>
    show(call, call.world.store.need('balance_transaction', call.id)),
  'POST refunds': (call) => show(call, refund(call)),
  'GET refunds': (call) => listRecords(call, 'refund', { filters: OF_CHARGE }),
  'GET refunds/:id': (call) => show(call, call.world.store.need('refund', call.id)),
  'POST refunds/:id/cancel': (call) => show(call, settleRefund(call.world, call.id, 'canceled')),
  'GET disputes': (call) => listRecords(call, 'dispute', { filters: OF_CHARGE }),
  'GET disputes/:id': (call) => show(call, call.world.store.need('dispute', call.id)),
};

function refund({ world, form }: Call) {
  checkKnown(form, ['charge', 'payment_intent', 'amount', 'reason', 'metadata']);
  const [charge, intent] = [text(form, 'charge'), text(form, 'payment_intent')];
  const target = charge ?? intent;
  if (!target || (charge && intent)) {
    throw new Refusal('One of the following params should be provided: charge, payment_intent.', {
      code: 'parameter_missing',
    });
  }
  const kind = charge ? 'charge' : 'payment_intent';
  if (!world.store.get(kind, target)) throw missing(kind, target, kind);
  return refundPayment(world, target, {
    ...given({ amount: atLeast(1, form, 'amount') }),
    reason: oneOf(REASONS, form, 'reason') ?? null,
    metadata: metadata(form),
  });
}
