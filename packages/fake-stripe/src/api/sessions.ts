import { currentSession, expireSession, openSession, type SessionPlan } from '../life/sessions.ts';
import { renderSessionLine, type SessionLine, type SessionRecord } from '../objects/session.ts';
import { missing, Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import type { Form } from './form.ts';
import { listRecords, page } from './list.ts';
import {
  atLeast,
  boolean,
  checkKnown,
  integer,
  list,
  map,
  metadata,
  needText,
  oneOf,
  text,
  webAddress,
} from './params.ts';
import { type Call, type Routes, show } from './route.ts';

export const sessionRoutes: Routes = {
  'POST checkout/sessions': (call) => show(call, openSession(call.world, planOf(call))),
  'GET checkout/sessions': (call) => {
    for (const { id } of call.world.store.all('checkout.session')) currentSession(call.world, id);
    return listRecords(call, 'checkout.session', {
      filters: {
        payment_intent: 'paymentIntent',
        customer: 'customer',
        subscription: 'subscription',
        status: 'status',
      },
    });
  },
  'GET checkout/sessions/:id': (call) => show(call, currentSession(call.world, call.id)),
  'GET checkout/sessions/:id/line_items': (call) => {
    checkKnown(call.form, ['limit', 'starting_after', 'ending_before']);
    const { lines } = call.world.store.need('checkout.session', call.id);
    return page(call, lines, (line) => renderSessionLine(line, call.view));
  },
  'POST checkout/sessions/:id/expire': (call) => show(call, expireSession(call.world, call.id)),
};

/** Whatever else Stripe knows is accepted and has no effect, but what it has removed is not. */
const KNOWN = [
  'allow_promotion_codes',
  'allowed_payment_method_types',
  'automatic_tax',
  'billing_address_collection',
  'cancel_url',
  'client_reference_id',
  'consent_collection',
  'currency',
  'custom_text',
  'customer',
  'customer_creation',
  'customer_email',
  'customer_update',
  'discounts',
  'expires_at',
  'invoice_creation',
  'line_items',
  'locale',
  'metadata',
  'mode',
  'payment_intent_data',
  'payment_method_collection',
  'payment_method_options',
  'phone_number_collection',
  'submit_type',
  'subscription_data',
  'success_url',
  'tax_id_collection',
  'ui_mode',
];

function planOf({ world, form }: Call): SessionPlan {
  checkKnown(form, KNOWN);
  const mode = oneOf(['payment', 'subscription', 'setup'], form, 'mode') ?? 'payment';
  const successUrl = webAddress(form, 'success_url');
  if (successUrl === undefined) needText(form, 'success_url');
  checkModes(form, mode);
  const invoices = boolean(form, 'invoice_creation', 'enabled') ?? false;
  const coupon = couponOf(world, form);
  const allowPromotionCodes = boolean(form, 'allow_promotion_codes') ?? null;
  return {
    mode,
    lines: mode === 'setup' ? [] : linesOf(world, form, mode),
    ...customerOf(world, form, mode),
    clientReferenceId: text(form, 'client_reference_id') ?? null,
    allowPromotionCodes,
    coupon,
    metadata: metadata(form),
    paymentMetadata: metadata(form, {}, 'payment_intent_data', 'metadata'),
    subscriptionMetadata: metadata(form, {}, 'subscription_data', 'metadata'),
    trialDays: atLeast(1, form, 'subscription_data', 'trial_period_days') ?? 0,
    invoiceMetadata: invoices
      ? metadata(form, {}, 'invoice_creation', 'invoice_data', 'metadata')
      : null,
    captureMethod:
      text(form, 'payment_intent_data', 'capture_method') === 'manual' ? 'manual' : 'automatic',
    successUrl: successUrl ?? null,
    cancelUrl: webAddress(form, 'cancel_url') ?? null,
    expiresAt: expiryOf(world, form),
  };
}

function checkModes(form: Form, mode: SessionRecord['mode']): void {
  const wrong = [
    ['payment_intent_data', 'payment'],
    ['invoice_creation', 'payment'],
    ['subscription_data', 'subscription'],
  ].find(([param = '', needed]) => form[param] !== undefined && mode !== needed);
  if (!wrong) return;
  const [param = '', needed] = wrong;
  throw new Refusal(`You can not pass \`${param}\` in \`${mode}\` mode, only in ${needed}.`, {
    param,
  });
}

function expiryOf(world: World, form: Form): number {
  const now = world.now();
  const expiresAt = integer(form, 'expires_at') ?? now + 86_400;
  if (expiresAt >= now + 1800 && expiresAt <= now + 86_400) return expiresAt;
  throw new Refusal('The `expires_at` timestamp must be 30 minutes to 24 hours from now.', {
    param: 'expires_at',
  });
}

function customerOf(world: World, form: Form, mode: SessionRecord['mode']) {
  const [id, email] = [text(form, 'customer'), text(form, 'customer_email')];
  if (id !== undefined && email !== undefined) {
    throw new Refusal('You may only specify one of these parameters: customer, customer_email.');
  }
  if (id === undefined) {
    const creation = oneOf(['always', 'if_required'], form, 'customer_creation');
    const customerCreation = mode === 'payment' ? (creation ?? 'if_required') : null;
    return { customer: null, customerEmail: email ?? null, customerCreation } as const;
  }
  const customer = world.store.get('customer', id);
  if (!customer || customer.deleted) throw missing('customer', id, 'customer');
  return { customer: id, customerEmail: customer.email, customerCreation: null } as const;
}

function couponOf(world: World, form: Form): string | null {
  const [discount, ...others] = list(form, 'discounts');
  if (typeof discount !== 'object') return null;
  if (others.length > 0 || form['allow_promotion_codes'] !== undefined) {
    throw new Refusal('You may only specify one of: one discount, allow_promotion_codes.');
  }
  const promotionId = text(discount, 'promotion_code');
  const promotion = promotionId && world.store.get('promotion_code', promotionId);
  if (promotionId && !promotion) throw missing('promotion code', promotionId, 'discounts');
  const id = promotion ? promotion.coupon.id : needText(discount, 'coupon');
  if (!world.store.get('coupon', id)) throw missing('coupon', id, 'discounts[0][coupon]');
  return id;
}

function linesOf(world: World, form: Form, mode: SessionRecord['mode']): SessionLine[] {
  const items = list(form, 'line_items').filter((item) => typeof item === 'object');
  if (items.length === 0) needText(form, 'line_items');
  if (items.length > 100) throw new Refusal('There are at most 100 line items.');
  const lines = items.map((item, i) => lineOf(world, item, i));
  const recurring = lines.filter(({ price }) => price.recurring);
  if (mode === 'payment' && recurring.length > 0) {
    throw new Refusal(
      'You specified `payment` mode but passed a recurring price. Either switch to ' +
        '`subscription` mode or use only one-time prices.',
    );
  }
  if (mode === 'subscription' && recurring.length === 0) {
    throw new Refusal('You must provide at least one recurring price in `subscription` mode.');
  }
  if (new Set(lines.map(({ price }) => price.currency)).size > 1) {
    throw new Refusal('All prices of a session must have the same currency.');
  }
  return lines;
}

function lineOf(world: World, item: Form, i: number): SessionLine {
  const param = `line_items[${i}][price]`;
  const id = needText({ line_items: { [i]: item } }, 'line_items', String(i), 'price');
  const price = world.store.get('price', id);
  if (!price) throw missing('price', id, param);
  if (!price.active) {
    throw new Refusal(`The price specified is inactive: ${id}.`, { param });
  }
  const adjustable = map(item, 'adjustable_quantity');
  return {
    id: world.newId('li'),
    price,
    description: world.store.get('product', price.product)?.name ?? id,
    quantity: atLeast(1, item, 'quantity') ?? 1,
    discount: 0,
    tax: 0,
    adjustable: boolean(adjustable, 'enabled')
      ? {
          minimum: atLeast(0, adjustable, 'minimum') ?? 0,
          maximum: atLeast(1, adjustable, 'maximum') ?? 99,
        }
      : null,
  };
}
