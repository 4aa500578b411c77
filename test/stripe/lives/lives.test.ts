/**
 * Random lives of customers at the fake Stripe, delivered as badly as Stripe may deliver, beside a
 * model in plain arithmetic. LIVES says how many (`npm run test:long`: 10,000), SEED replays a run.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { StripeEvent } from '../../../packages/fake-stripe/src/events.ts';
import { verifyLedger } from '../../../src/ledger/verify.ts';
import { debit } from '../../support/commands.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';
import { createLife, type Life, missingOf, PACK, PLAN, type Step } from './life.ts';

const LIVES = Number(process.env['LIVES'] ?? 200);
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
/** Lives that are lived at the same time, in one run of the property. */
const AT_ONCE = 20;

let stage: StripeStage;
beforeAll(async () => {
  const { credits } = PLAN;
  stage = await startStripeStage({
    catalogue: new Map([
      [PACK.price, PACK.credits],
      [PLAN.price, credits],
    ]),
  });
  await stage.receiver.start();
});
afterAll(() => stage.close());

const which = fc.nat(7);
const quantity = fc.integer({ min: 1, max: 4 });
const percent = fc.integer({ min: 1, max: 100 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('buy' as const), quantity, how: hows() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('subscribe' as const), quantity, trial: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('renew' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ do: fc.constant('change' as const), which, quantity, resetPeriod: fc.boolean() },
      proration: fc.constantFrom('create_prorations' as const, 'always_invoice' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ do: fc.constant('refund' as const), which, percent, pending: fc.boolean() },
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ do: fc.constant('end refund' as const), which },
      how: fc.constantFrom('succeeded' as const, 'failed' as const, 'canceled' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ do: fc.constant('dispute' as const), which, inquiry: fc.boolean() },
      atOnce: fc.constantFrom('won' as const, 'lost' as const, null),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ do: fc.constant('move dispute' as const), which },
      how: fc.constantFrom('escalate' as const, 'won' as const, 'lost' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('credit' as const), which, percent }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('spend' as const),
      amount: fc.integer({ min: 1, max: 900 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      days: fc.integer({ min: 1, max: 20 }),
    }),
  },
);

function hows() {
  return fc.constantFrom('card' as const, 'card' as const, 'slow' as const, 'declined' as const);
}

/** What happens, and how badly it is told. */
const script = fc.record({
  steps: fc.array(step, { minLength: 10, maxLength: 24, size: 'max' }),
  shape: fc.constantFrom('current' as const, 'acacia' as const),
  luck: fc.infiniteStream(fc.nat(99)),
});
type Script = typeof script extends fc.Arbitrary<infer T> ? T : never;

let lives = 0;

/** Lives a script; events are late, lost and sent again, repeated, reordered and simultaneous. */
async function live({ steps, shape, luck }: Script): Promise<{ life: Life; spent: number }> {
  lives += 1;
  const life = createLife(stage.fake, `user_${SEED}_${lives}`);
  const throwDice = () => luck.next().value as number;
  let waiting: StripeEvent[] = [];
  let spent = 0;
  const deliverSome = async (chance: number) => {
    const due = waiting.filter(() => throwDice() < chance);
    waiting = waiting.filter((event) => !due.includes(event));
    const twice = due.filter(() => throwDice() < 30);
    const shuffled = [...due, ...twice]
      .map((event) => ({ event, at: throwDice() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ event }) => event);
    const together = shuffled.filter(() => throwDice() < 50);
    await Promise.all(together.map((event) => stage.deliver(event)));
    for (const event of shuffled) if (!together.includes(event)) await stage.deliver(event);
  };
  const all: StripeEvent[] = [];
  for (const one of steps) {
    if (one.do === 'spend') {
      const outcome = await stage.ledger.post(debit(life.userId, one.amount));
      if (outcome.ok) spent += one.amount;
    } else {
      const told = life.live(one).map((event) => stage.fake.inShape(event, shape));
      all.push(...told);
      waiting.push(...told);
    }
    await deliverSome(60);
  }
  await deliverSome(100);
  for (const event of all) await untilOver(event);
  return { life, spent };
}

/** Waits until nothing is left to do about an event; when it takes too long, says what it waits for. */
async function untilOver(event: StripeEvent): Promise<void> {
  const told = `${event.type} ${event.id}`;
  const state = async () => `${told}: ${JSON.stringify(await stage.stored(event))}`;
  await expect.poll(state, { timeout: 20_000, interval: 20 }).toMatch(/"state":"(done|ignored)"/);
}

async function expectAsModelled({ life, spent }: { life: Life; spent: number }): Promise<void> {
  const { userId, payments } = life;
  const owned = payments.reduce((sum, one) => sum + one.granted - missingOf(one), 0);
  expect(await stage.balanceOf(userId), userId).toBe(owned - spent);
  const [outside] = await stage.db.sql<{ payment: string }>(
    `SELECT payment FROM credit_ledger WHERE user_id = $1 AND payment IS NOT NULL
      GROUP BY payment
     HAVING sum(delta) < 0 OR sum(delta) > sum(delta) FILTER (WHERE reverses_seq IS NULL)`,
    [userId],
  );
  expect(outside, userId).toBeUndefined();
}

test(`${LIVES} lives end as the model says, however they are told (SEED=${SEED})`, async () => {
  console.log(`${LIVES} lives, SEED=${SEED}`);
  await fc.assert(
    fc.asyncProperty(
      fc.array(script, { minLength: AT_ONCE, maxLength: AT_ONCE }),
      async (scripts) => {
        const lived = await Promise.all(scripts.map(live));
        for (const one of lived) await expectAsModelled(one);
      },
    ),
    { seed: SEED, numRuns: Math.ceil(LIVES / AT_ONCE), endOnFailure: true },
  );
  expect(await verifyLedger(stage.db.pool)).toMatchObject({ faults: [] });
  expect(stage.ledger.counts.lockViolations).toBe(0);
}, 1_800_000);
