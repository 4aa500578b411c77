import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect } from 'vitest';
import { PurserError } from '../../../src/errors.ts';
import { debit } from '../../support/commands.ts';
import { reconcileOn } from '../../support/reconcile.ts';
import { type StripeStage, startStripeStage } from '../../support/stripe.ts';
import type { News } from './customer.ts';
import { createLife, type Life } from './life.ts';
import { catalogueOf, offerAt } from './offers.ts';
import { step } from './step.ts';

const DAY = 86_400;

/** What happens to one customer, and how badly it is told. */
const script = fc.record({
  steps: fc.array(step, { minLength: 10, maxLength: 24, size: 'max' }),
  /** When it begins; of what is older than 30 days Stripe lists no events any more. */
  daysAgo: fc.integer({ min: 1, max: 90 }),
  shape: fc.constantFrom('current' as const, 'acacia' as const),
  /** Of a hundred events, how many no delivery ever brings. */
  lost: fc.constantFrom(0, 10, 40, 100),
  /** What the endpoint was not enabled for. */
  deafTo: fc.subarray(
    [
      ...['checkout.session.completed', 'invoice.paid', 'invoice_payment.paid', 'refund.created'],
      'credit_note.created',
    ],
    { maxLength: 2 },
  ),
  luck: fc.infiniteStream(fc.nat(99)),
});
type Script = typeof script extends fc.Arbitrary<infer Any> ? Any : never;

/** Lives that are lived at the same time, before one Stripe and two servers on one database. */
export const worldOf = (lives: number) =>
  fc.record({
    livemode: fc.boolean(),
    planExpires: fc.boolean(),
    packExpires: fc.boolean(),
    /** Whether events are lost at all: else all must be well without reconciliation. */
    loses: fc.boolean(),
    scripts: fc.array(script, { minLength: lives, maxLength: lives }),
  });

export interface World {
  readonly servers: readonly [StripeStage, StripeStage];
  readonly clock: { time: number };
  /** In seconds since 1970. */
  readonly present: number;
  readonly planExpires: boolean;
  readonly packExpires: boolean;
  readonly loses: boolean;
}

export async function openWorld(
  options: Pick<World, 'planExpires' | 'packExpires' | 'loses'> & Pick<StripeStage, 'livemode'>,
): Promise<World> {
  const { livemode, loses, ...expiry } = options;
  const present = Math.floor(Date.now() / 1000);
  const clock = { time: present };
  const first = await startStripeStage({
    livemode,
    now: () => clock.time,
    catalogue: catalogueOf(expiry),
  });
  offerAt(first.fake);
  const servers = [first, await first.restart()] as const;
  await Promise.all(servers.map(({ receiver }) => receiver.start()));
  return { servers, clock, present, loses, ...expiry };
}

/** Somebody's word that may reach Purser, through either server. */
type Word = (server: StripeStage) => Promise<unknown>;

/** Lives a script; what tells of it is late, lost, repeated, reordered and simultaneous. */
export async function live(
  { servers, clock, present, loses, ...expiry }: World,
  { steps, daysAgo, shape, luck, ...script }: Script,
  userId: string,
): Promise<{ readonly life: Life; readonly spent: number }> {
  const [{ fake }] = servers;
  // No life ends a period at the very moment at which it is looked at.
  const begins = present - daysAgo * DAY - DAY / 2;
  const life = createLife({ fake, userId, clock, begins, ends: present - 60, ...expiry });
  const throwDice = () => luck.next().value as number;
  const server = () => servers[throwDice() % 2 === 0 ? 0 : 1];
  let waiting: Word[] = [];
  let spent = 0;

  function hear({ events, session }: News): void {
    for (const { id, type } of events) {
      const event = fake.inShape({ id }, shape);
      const isLost = throwDice() < script.lost || script.deafTo.includes(type);
      if (!(loses && isLost)) waiting.push((one) => one.deliver(event));
    }
    if (session === null || throwDice() < 50) return;
    waiting.push(async (one) => {
      const status = await one.sync(userId, session.id);
      expect(status === 'granted', `${session.id}: ${status}`).toBe(session.owed);
    });
  }

  async function passOn(chance: number): Promise<void> {
    const due = waiting.filter(() => throwDice() < chance);
    waiting = waiting.filter((word) => !due.includes(word));
    const twice = due.filter(() => throwDice() < 30);
    const shuffled = [...due, ...twice]
      .map((word) => ({ word, at: throwDice() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ word }) => word);
    const together = shuffled.filter(() => throwDice() < 50);
    await Promise.all(together.map((word) => word(server())));
    for (const word of shuffled) if (!together.includes(word)) await word(server());
  }

  for (const one of steps) {
    if (one.do === 'spend') {
      if (await spend(server(), userId, one.amount)) spent += one.amount;
    } else {
      hear(life.live(one));
    }
    await passOn(60);
  }
  await passOn(100);
  return { life, spent };
}

/**
 * Spends like a client that asks again, under the same key, when a busy server tells it to.
 * @returns whether there was enough
 */
export async function spend(
  { ledger }: StripeStage,
  userId: string,
  amount: number,
): Promise<boolean> {
  const command = debit(userId, amount, { idempotencyKey: randomUUID() });
  for (let tries = 1; ; tries++) {
    try {
      return (await ledger.post(command)).ok;
    } catch (error) {
      const isBusy = error instanceof PurserError && error.status === 503;
      if (!isBusy || tries === 10) throw error;
    }
  }
}

/** Brings what was lost, and waits until nothing is left to do about any event. */
export async function reconcile({ servers, clock, present, loses }: World): Promise<void> {
  const [first, second] = servers;
  clock.time = present;
  const since = new Date((present - 92 * DAY) * 1000);
  if (loses) {
    expect(await reconcileOn(first, { apply: true, since })).toMatchObject({ problems: [] });
  }
  const endless = loses ? unpaidForEver(first, present) : [];
  const open = () =>
    first.db.sql(
      `SELECT id, type, state, reason, waits_for
         FROM stripe_events
        WHERE state NOT IN ('done', 'ignored') AND NOT object_id = ANY($1::text[])`,
      [endless],
    );
  await expect.poll(open, { timeout: 20_000, interval: 20 }).toEqual([]);
  expect(await reconcileOn(second, { since })).toMatchObject({ findings: [], problems: [] });
}

/** Sessions whose payment failed so long ago that nothing tells of it if its event was lost. */
function unpaidForEver({ fake }: StripeStage, present: number): readonly string[] {
  return fake.store
    .all('checkout.session')
    .filter((one) => one.paymentStatus === 'unpaid' && one.created < present - 30 * DAY)
    .map(({ id }) => id);
}
