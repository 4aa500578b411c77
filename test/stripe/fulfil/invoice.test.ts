import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { InvoiceOptions } from '../../../packages/fake-stripe/src/life/shortcuts.ts';
import { makeDue } from '../../support/inbox.ts';
import { type StripeStage, startStripeStage, until } from '../../support/stripe.ts';

let stage: StripeStage;
beforeAll(async () => {
  stage = await startStripeStage();
  await stage.receiver.start();
});
afterAll(() => stage.close());

const PLAN = { price: 'price_plan' };

describe.each(['current', 'acacia'] as const)('in the %s shape', (shape) => {
  const renewal = (userId: string, others: Partial<InvoiceOptions> = {}): InvoiceOptions => ({
    shape,
    userId: `${userId}-${shape}`,
    customer: `cus_${userId}_${shape}`,
    subscription: `sub_${userId}_${shape}`,
    lines: [PLAN],
    ...others,
  });

  test.each([
    'subscription_create',
    'subscription_cycle',
    'subscription_threshold',
    'subscription_update',
    'quote_accept',
    'automatic_pending_invoice_item_invoice',
    'subscription',
  ])(
    'a paid invoice of reason %s grants each line, as one command under its id',
    async (billingReason) => {
      const { fake, deliver, balanceOf, ledger } = stage;
      const userId = `ann-${billingReason}`;
      const lines = [{ price: 'price_plan', quantity: 2 }, { price: 'price_pack' }];
      const event = fake.payInvoice(renewal(userId, { billingReason, lines }));
      expect(await deliver(event)).toBe('done');
      expect(await balanceOf(`${userId}-${shape}`)).toBe(2100);
      const { entries } = await ledger.entries(`${userId}-${shape}`, { limit: 9, before: null });
      expect(entries).toMatchObject([
        { seq: 2, kind: 'included', delta: 100, leadSeq: 1, grantKey: null },
        { seq: 1, kind: 'included', delta: 2000, grantKey: event.data.object.id },
      ]);
    },
  );

  test('the same invoice under another event id grants nothing more', async () => {
    const { fake, deliver, balanceOf } = stage;
    const event = fake.payInvoice(renewal('ben'));
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => deliver({ ...event, id: `${event.id}_${i}` })),
    );
    expect(await balanceOf(`ben-${shape}`)).toBe(1000);
  });

  test('a proration line mints nothing, a new period’s line on the same invoice does', async () => {
    const { fake, deliver, balanceOf } = stage;
    const lines = [
      { price: 'price_plan', unitAmount: -2500, proration: true },
      { price: 'price_plan', unitAmount: 2500, proration: true },
      { price: 'price_plan', unitAmount: 2500 },
    ];
    const options = renewal('cid', { billingReason: 'subscription_update', lines });
    expect(await deliver(fake.payInvoice(options))).toBe('done');
    expect(await balanceOf(`cid-${shape}`)).toBe(1000);
  });

  test('a trial’s $0 line and a line at 100 % off grant nothing', async () => {
    const { fake, deliver, stored, balanceOf } = stage;
    const lines = [
      { price: 'price_plan', unitAmount: 0 },
      { price: 'price_plan', unitAmount: 100, discount: 100 },
    ];
    const event = fake.payInvoice(renewal('dot', { lines }));
    expect(await deliver(event)).toBe('ignored');
    expect((await stored(event))?.reason).toBe('no line of it gives credits');
    expect(await balanceOf(`dot-${shape}`)).toBe(0);
  });

  test('an invoice that was paid out of band grants, though no payment was made', async () => {
    const { fake, deliver, balanceOf } = stage;
    const userId = `doe-${shape}`;
    const { id } = fake.subscribe({ userId, price: 'price_plan' }).object;
    const [invoice] = fake.renewSubscription(id, 'not_at_all').events.filter(({ type }) => {
      return type === 'invoice.finalized';
    });
    const { events } = fake.collectInvoice(String(invoice?.data.object.id), 'out_of_band');
    expect(events.map(({ type }) => type)).toContain('invoice.paid');
    for (const event of [...events, ...events]) await deliver(fake.inShape(event, shape));
    expect(await balanceOf(userId)).toBe(1000);
  });

  test('a price of 0 credits is known: it gives nothing, and holds up no other line', async () => {
    const { fake, deliver, stored, balanceOf } = stage;
    const seat = { price: 'price_seat' };
    const alone = fake.payInvoice(renewal('dov', { lines: [seat] }));
    expect(await deliver(alone)).toBe('ignored');
    expect((await stored(alone))?.reason).toBe('no line of it gives credits');
    expect(await deliver(fake.payInvoice(renewal('dov', { lines: [seat, PLAN] })))).toBe('done');
    expect(await balanceOf(`dov-${shape}`)).toBe(1000);
  });

  test('manual, one-off and unpaid invoices grant nothing', async () => {
    const { fake, deliver, balanceOf } = stage;
    const kinds: Partial<InvoiceOptions>[] = [
      { subscription: null },
      { billingReason: 'manual' },
      ...(['draft', 'open', 'void', 'uncollectible'] as const).map((status) => ({ status })),
    ];
    for (const kind of kinds) {
      const state = await deliver(fake.payInvoice(renewal('els', kind)));
      expect(state, JSON.stringify(kind)).toBe('ignored');
    }
    expect(await balanceOf(`els-${shape}`)).toBe(0);
  });

  test('an invoice that grants nothing is ignored, even with lines that cannot be read', async () => {
    const { fake, deliver } = stage;
    const kinds = [
      { subscription: null },
      { billingReason: 'manual' },
      { status: 'draft' as const },
    ];
    for (const kind of kinds) {
      const event = fake.payInvoice(renewal('eva', kind));
      const object = { ...event.data.object, lines: null };
      const state = await deliver({ ...event, data: { object } } as never);
      expect(state, JSON.stringify(kind)).toBe('ignored');
    }
  });

  test('lines beyond the payload are listed', async () => {
    const { fake, deliver, balanceOf } = stage;
    const event = fake.payInvoice(renewal('fin', { lines: Array(120).fill(PLAN) }));
    expect(await deliver(event)).toBe('done');
    expect(await balanceOf(`fin-${shape}`)).toBe(120_000);
  });

  test('one unknown price parks the whole invoice', async () => {
    const { fake, deliver, stored, balanceOf } = stage;
    const event = fake.payInvoice(renewal('gil', { lines: [PLAN, { price: '__proto__' }] }));
    expect(await deliver(event)).toBe('parked');
    expect((await stored(event))?.reason).toBe('unknown price __proto__');
    expect(await balanceOf(`gil-${shape}`)).toBe(0);
  });

  test.each(['both', 'customer', 'sub'] as const)(
    'an invoice before its checkout waits for the user of: %s',
    async (known) => {
      const { fake, deliver, stored, balanceOf } = stage;
      const [customer, subscription] = [`cus_${known}_${shape}`, `sub_${known}_${shape}`];
      const invoice = fake.payInvoice({ shape, customer, subscription, lines: [PLAN] });
      expect(await deliver(invoice)).toBe('parked');
      const { id, payment_intent: intent, charge } = invoice.data.object as Record<string, unknown>;
      const paidBy = shape === 'acacia' ? [intent, charge] : [];
      expect(await stored(invoice)).toMatchObject({
        reason: 'unknown user',
        waits_for: [id, ...paidBy, subscription, customer].map((name) => `user_of:${name}`),
      });
      await stage.db.sql(
        `UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour' WHERE id = $1`,
        [invoice.id],
      );
      const userId = `hub-${known}-${shape}`;
      const ids = {
        both: { customer, subscription },
        customer: { customer },
        sub: { subscription },
      };
      const mode = 'subscription';
      const session = fake.createSession({ mode, userId, ...ids[known], lines: [PLAN] });
      expect(await deliver(fake.completeSession(session.id))).toBe('done');
      await until(async () => (await stored(invoice))?.state === 'done');
      expect(await balanceOf(userId)).toBe(1000);
    },
  );

  test('a payment that its session granted is not granted again by its invoice', async () => {
    const { fake, deliver, stored, balanceOf } = stage;
    const id = `in_sim_once_${shape}`;
    const userId = `ira-${shape}`;
    const session = fake.createSession({ userId, invoice: id, lines: [PLAN] });
    const completed = fake.completeSession(session.id);
    const invoice = fake.payInvoice(renewal('ira', { id }));
    await Promise.all([completed, invoice, completed, invoice].map(deliver));
    expect(await balanceOf(userId)).toBe(1000);
    const owners = await stage.db.sql(
      'SELECT DISTINCT payment FROM stripe_payment_aliases WHERE alias = ANY($1)',
      [[id, session.id, completed.data.object['payment_intent']]],
    );
    expect(owners).toHaveLength(1);
    const states = [(await stored(completed))?.state, (await stored(invoice))?.state];
    expect(states.toSorted()).toEqual(['done', 'ignored']);
  });

  test('a billing_reason that nobody knows yet is parked, says what to do, and is tried again', async () => {
    const { fake, deliver, stored } = stage;
    const event = fake.payInvoice(renewal('jan', { billingReason: 'subscription_whim' }));
    expect(await deliver(event)).toBe('parked');
    expect((await stored(event))?.reason).toBe(
      'billing_reason subscription_whim is not known: `purser events retry` it with a release ' +
        'that knows it, or `purser events ignore` it',
    );
    for (const attempts of [2, 3, 4]) {
      await makeDue(stage, event);
      await until(async () => (await stored(event))?.attempts === attempts);
      await until(async () => ((await stored(event))?.due_in ?? 0) > 1);
      expect(await stored(event)).toMatchObject({ state: 'parked', attempts });
    }
  });
});

test('the names of a payment keep one owner when session and invoice race', async () => {
  const { fake, deliver, balanceOf } = stage;
  const names = Array.from({ length: 10 }, (_, i) => `in_sim_race_${i}`);
  const events = names.flatMap((id) => {
    const session = fake.createSession({ userId: 'kay', invoice: id, lines: [PLAN] });
    const invoice = { id, userId: 'kay', customer: 'cus_kay', subscription: 'sub_kay' };
    return [fake.completeSession(session.id), fake.payInvoice({ ...invoice, lines: [PLAN] })];
  });
  await Promise.all(events.map(deliver));
  expect(await balanceOf('kay')).toBe(names.length * 1000);
});

test('a subscription checkout never grants; its user owns the renewals from then on', async () => {
  const { fake, deliver, balanceOf } = stage;
  const ids = { customer: 'cus_max', subscription: 'sub_max' };
  const session = fake.createSession({
    mode: 'subscription',
    userId: 'max',
    ...ids,
    lines: [PLAN],
  });
  expect(await deliver(fake.completeSession(session.id))).toBe('done');
  expect(await balanceOf('max')).toBe(0);
  expect(await deliver(fake.payInvoice({ ...ids, lines: [PLAN] }))).toBe('done');
  expect(await balanceOf('max')).toBe(1000);
});

test('another user’s checkout with the same customer does not take over the renewals', async () => {
  const { fake, deliver, stored, balanceOf } = stage;
  for (const [userId, subscription] of [
    ['nan', 'sub_nan'],
    ['oli', 'sub_oli'],
  ] as const) {
    const mode = 'subscription';
    const customer = 'cus_shared';
    const session = fake.createSession({ mode, userId, customer, subscription, lines: [PLAN] });
    const completed = fake.completeSession(session.id);
    expect(await deliver(completed)).toBe('done');
    expect((await stored(completed))?.reason).toBe(
      userId === 'nan' ? null : 'another user already owns cus_shared',
    );
  }
  const customer = 'cus_shared';
  await deliver(fake.payInvoice({ customer, subscription: 'sub_nan', lines: [PLAN] }));
  await deliver(fake.payInvoice({ customer, subscription: 'sub_oli', lines: [PLAN] }));
  expect([await balanceOf('nan'), await balanceOf('oli')]).toEqual([1000, 1000]);
  await deliver(fake.payInvoice({ customer, subscription: 'sub_unseen', lines: [PLAN] }));
  expect([await balanceOf('nan'), await balanceOf('oli')]).toEqual([2000, 1000]);
});

test.each([
  ['no lines', { lines: null }],
  ['lines that are no list', { lines: { data: 'x' } }],
  ['a line that is null', { lines: { data: [null] } }],
  ['a textual quantity', { lines: { data: [line({ quantity: '5' })] } }],
  ['a negative quantity', { lines: { data: [line({ quantity: -5 })] } }],
  ['half a seat', { lines: { data: [line({ quantity: 0.5 })] } }],
  ['no amount', { lines: { data: [line({ amount: null })] } }],
  ['an unreadable discount', { lines: { data: [line({ discount_amounts: 'all' })] } }],
  ['no status', { status: undefined }],
  ['an id that is none', { id: 'cs_1' }],
])('an invoice with %s is parked with a reason', async (_name, changes) => {
  const { fake, deliver, stored, balanceOf } = stage;
  const event = fake.payInvoice({ userId: 'pat', subscription: 'sub_pat', lines: [PLAN] });
  const object = { ...event.data.object, ...changes };
  expect(await deliver({ ...event, data: { object } } as never)).toBe('parked');
  expect((await stored(event))?.reason).toBeTruthy();
  expect(await balanceOf('pat')).toBe(0);
});

function line(changes: Record<string, unknown>) {
  const pricing = { price_details: { price: { id: 'price_plan', object: 'price' } } };
  return { id: 'il_1', amount: 100, quantity: 1, discount_amounts: [], pricing, ...changes };
}
