/** What a parked event waits for makes it due at once: no server runs here whose worker might. */
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { StripeEvent } from '../../../packages/fake-stripe/src/events.ts';
import { createBatchSession } from '../../../src/db/batch-session.ts';
import { createInbox } from '../../../src/stripe/inbox/inbox.ts';
import { parked } from '../../../src/stripe/inbox/verdicts.ts';
import { purchase, storeOnly } from '../../support/inbox.ts';
import { type StripeStage, startStripeStage, until } from '../../support/stripe.ts';

let stage: StripeStage;
beforeEach(async () => {
  stage = await startStripeStage();
});
afterEach(() => stage.close());

type Event = Parameters<StripeStage['deliver']>[0];

function eventOf(events: readonly StripeEvent[], type: string): Event {
  const event = events.find((one) => one.type === type);
  if (!event) throw new Error(`nothing tells of ${type}`);
  return { ...event };
}

/** Delivers an event that has to wait, and then what ends that. */
async function expectWoken(waiting: Event, ending: Event): Promise<void> {
  expect(await stage.deliver(waiting)).toBe('parked');
  await stage.db.sql(
    `UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour' WHERE id = $1`,
    [waiting.id],
  );
  await stage.deliver(ending);
  expect((await stage.stored(waiting))?.due_in).toBeLessThanOrEqual(0);
}

test.each(['succeeded', 'failed'] as const)(
  'the end of a slow payment wakes its session: %s',
  async (end) => {
    const { fake } = stage;
    const { id } = fake.createSession({ userId: 'ada', lines: [{ price: 'price_pack' }] });
    const completed = fake.completeSession(id, 'unpaid');
    await expectWoken(completed, fake.settleSession(id, end));
  },
);

describe('the end of a manual capture wakes the session that waits for it', () => {
  function authorize() {
    const { fake } = stage;
    const lines = [{ price: 'price_pack' }];
    const { id } = fake.createSession({ userId: 'ada', lines, capture: 'manual' });
    const { object, events } = fake.paySession(id);
    const completed = eventOf(events, 'checkout.session.completed');
    return { completed, intent: String(object['payment_intent']) };
  }

  test('which grants what was captured', async () => {
    const { completed, intent } = authorize();
    const { events } = stage.fake.capturePayment(intent);
    await expectWoken(completed, eventOf(events, 'charge.captured'));
    await stage.receiver.start();
    await until(async () => (await stage.stored(completed))?.state === 'done');
    expect(await stage.balanceOf('ada')).toBe(100);
  });

  test('which grants nothing when it was given up, and says why', async () => {
    const { completed, intent } = authorize();
    const { events } = stage.fake.cancelPayment(intent);
    await expectWoken(completed, eventOf(events, 'payment_intent.canceled'));
    await stage.receiver.start();
    await until(async () => (await stage.stored(completed))?.state === 'ignored');
    expect((await stage.stored(completed))?.reason).toBe('its payment was canceled');
    expect(await stage.balanceOf('ada')).toBe(0);
  });
});

test.each(['price_pack', 'price_seat'])(
  'a payment wakes the refund that came before it, whether or not it gave credits: %s',
  async (price) => {
    const paid = purchase(stage, 'bob', price);
    const [refunded] = stage.fake.refundPayment(String(paid.data.object['payment_intent'])).events;
    if (!refunded) throw new Error('nothing tells of the refund');
    await expectWoken({ ...refunded }, { ...paid });
  },
);

test.each([
  ['did not say what it paid', '/v1/checkout/sessions'],
  ['did not answer at all', '/v1/'],
])('a payment wakes the refund that came before it, though Stripe %s', async (_, path) => {
  const { fake } = stage;
  const about = { userId: 'bea', subscription: 'sub_bea', lines: [{ price: 'price_plan' }] };
  const paid = fake.payInvoice({ ...about, shape: 'acacia' });
  const refunded = eventOf(
    fake.refundPayment(String(paid.data.object['charge'])).events,
    'refund.created',
  );
  fake.setFault({ kind: 'error', status: 500, path });
  await expectWoken(refunded, { ...paid });
  expect(await stage.balanceOf('bea')).toBe(0);
});

test('the names of an invoice’s payment wake the refund that knows no other', async () => {
  const { fake } = stage;
  const lines = [{ price: 'price_plan' }];
  const paid = fake.payInvoice({ userId: 'cleo', subscription: 'sub_cleo', lines });
  const { charge } = fake.store.need('invoice', paid.data.object.id);
  const [refunded] = fake.refundPayment(String(charge)).events;
  if (!refunded) throw new Error('nothing tells of the refund');
  await expectWoken({ ...refunded }, { ...paid });
});

/** The inbox alone, as a server has it. */
function openInbox() {
  const session = createBatchSession(stage.db.url);
  onTestFinished(() => session.close());
  return createInbox(stage.db.pool, session);
}

test('what an earlier release parked after an attempt of this one is woken', async () => {
  const event = purchase(stage, 'fia');
  await storeOnly(stage, event);
  // It knows nothing of `claimed`, and so leaves it as it was when it took the event over.
  await stage.db.sql(
    `UPDATE stripe_events SET state = 'parked', reason = 'r', waits_for = '{price:x}',
            claimed = true, next_attempt_at = now() + interval '1 hour'
      WHERE id = $1`,
    [event.id],
  );
  const inbox = openInbox();
  await inbox.wake(['price:x'], 30);
  expect((await stage.stored(event))?.due_in).toBeLessThanOrEqual(30);
  await stage.db.sql(
    "UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour' WHERE id = $1",
    [event.id],
  );
  await inbox.wake(['price:x']);
  expect(await inbox.claim(1)).toMatchObject([{ id: event.id }]);
});

describe('while an attempt holds an event,', () => {
  /** The claim of a late attempt at an event that waits for a price. */
  async function holdWaiting() {
    const event = purchase(stage, 'fin');
    await storeOnly(stage, event);
    await stage.db.sql(
      `UPDATE stripe_events SET state = 'parked', reason = 'r', waits_for = '{price:x,stripe_api}',
              attempts = 9`,
    );
    const inbox = openInbox();
    const [claim] = await inbox.claim(1);
    if (!claim) throw new Error('the event is due');
    const park = async (waitsFor: readonly string[]) => {
      await inbox.settle(claim, parked('it is not there', waitsFor));
      return (await stage.stored(event))?.due_in;
    };
    return { inbox, park };
  }

  test('what wakes it does not cut the lease', async () => {
    const { inbox } = await holdWaiting();
    await inbox.wake(['price:x']);
    expect(await inbox.claim(1)).toEqual([]);
  });

  test('a cause that goes away is looked at again soon, though the attempt had missed it', async () => {
    const { inbox, park } = await holdWaiting();
    await inbox.wake(['price:x']);
    expect(await park(['price:x'])).toBeLessThanOrEqual(2);
  });

  test('so is a cause that it did not wait for before', async () => {
    const { park } = await holdWaiting();
    expect(await park(['price:x', 'user_of:cus_1'])).toBeLessThanOrEqual(2);
  });

  test('what it parks is woken when it is over', async () => {
    const { inbox, park } = await holdWaiting();
    expect(await park(['price:x', 'user_of:cus_1'])).toBeGreaterThan(0);
    await inbox.wake(['user_of:cus_1']);
    expect(await inbox.claim(1)).toHaveLength(1);
  });

  test.each([
    ['nothing', []],
    ['another cause', ['price:y']],
    ['Stripe, which has answered somebody else,', ['stripe_api']],
  ] as const)('%s woken leaves its pause as long as it is', async (_, causes) => {
    const { inbox, park } = await holdWaiting();
    await inbox.wake(causes, 5);
    expect(await park(['price:x'])).toBeGreaterThan(1000);
  });
});
