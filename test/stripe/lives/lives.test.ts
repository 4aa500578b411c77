/**
 * Random lives of customers at the fake Stripe, told as badly as Stripe may tell them, beside a
 * model in plain arithmetic. LIVES says how many (`npm run test:long`: 10,000), SEED replays a run.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Entry } from '../../../src/ledger/core/entry.ts';
import { verifyLedger } from '../../../src/ledger/read/verify.ts';
import { grantedBy, leftByLine, missingOf } from './payment.ts';
import { live, openWorld, reconcile, spend, type World, worldOf } from './told.ts';

const LIVES = Number(process.env['LIVES'] ?? 200);
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
/** Lives that are lived at the same time, in one run of the property. */
const AT_ONCE = 20;

type Lived = Awaited<ReturnType<typeof live>>;

async function expectAsModelled(
  { servers: [first, second] }: World,
  { life, spent }: Lived,
): Promise<void> {
  const { userId, payments } = life;
  // All that is left, so that the ledger says from which lots; or one credit too many.
  const last = Math.max(1, await first.balanceOf(userId));
  const ok = await spend(second, userId, last);
  const { entries, next } = await first.ledger.entries(userId, { limit: 1_000, before: null });
  expect(next).toBeNull();
  for (const payment of payments) {
    const { names, grants } = payment;
    const granted = grantedBy(payment);
    const own = entries.filter((entry) => names.includes(String(entry.payment)));
    expect(sumOf(own), `${userId} ${names}`).toBe(granted - missingOf(payment));
    const grantEntries = own.filter(({ kind }) => kind === 'purchase' || kind === 'included');
    const given = grantEntries.map(({ kind, delta: credits, expiresAt }) => {
      return { kind, credits, expiresAt };
    });
    expect(sorted(given), `${userId} ${names}`).toEqual(sorted(grants));
    const byLine = leftByLine(payment);
    if (byLine) expect(leftOf(grantEntries, own), `${userId} ${names}`).toEqual(byLine);
    const lots = own.filter(({ expiresAt }) => expiresAt !== null);
    expect(usedOf(lots, entries), `${userId} ${names}`).toBeLessThanOrEqual(granted);
    const known = await first.db.sql(
      'SELECT DISTINCT payment FROM stripe_payment_aliases WHERE alias = ANY($1::text[])',
      [names],
    );
    expect(known.length, `${userId} ${names} is one payment`).toBe(1);
  }
  const owned = payments.reduce((sum, one) => sum + grantedBy(one) - missingOf(one), 0);
  const expired = -sumOf(entries.filter(({ kind }) => kind === 'expiry'));
  expect(await first.balanceOf(userId), userId).toBe(owned - spent - (ok ? last : 0) - expired);
  expect(entries.filter(drawsAtTheWrongTime(entries)), userId).toEqual([]);
}

const sumOf = (entries: readonly Entry[]) => entries.reduce((sum, { delta }) => sum + delta, 0);

/** What claw-backs left of each grant, by the line of its invoice. */
function leftOf(grants: readonly Entry[], own: readonly Entry[]): ReadonlyMap<string, number> {
  const left = grants.map(({ seq, delta, invoiceLine }) => {
    const moved = own.filter(({ reversesSeq }) => reversesSeq === seq);
    return [invoiceLine ?? '', delta + sumOf(moved)] as const;
  });
  return new Map(left);
}

/** The lines of a payment have no order. */
const sorted = (grants: readonly object[]) =>
  grants.map((one) => JSON.stringify(one, ['kind', 'credits', 'expiresAt'])).sort();

/** Credits of these lots that were spent, or expired. */
function usedOf(lots: readonly Entry[], entries: readonly Entry[]): number {
  const opened = new Set(lots.map(({ seq }) => seq));
  const draws = entries
    .filter(({ kind }) => kind === 'debit' || kind === 'expiry')
    .flatMap((entry) => entry.draws ?? []);
  return draws.filter(({ lot }) => opened.has(lot)).reduce((sum, { amount }) => sum + amount, 0);
}

/** Whether an entry expires credits too early, or spends them too late. */
function drawsAtTheWrongTime(entries: readonly Entry[]) {
  const ends = new Map(entries.map(({ seq, expiresAt }) => [seq, expiresAt ?? Infinity]));
  return ({ kind, draws, createdAt }: Entry) =>
    (draws ?? []).some(({ lot }) => {
      const isOver = (ends.get(lot) ?? Infinity) <= createdAt;
      return kind === 'expiry' ? !isOver : isOver;
    });
}

test(`${LIVES} lives end as the model says, however they are told (SEED=${SEED})`, async () => {
  console.log(`${LIVES} lives, SEED=${SEED}`);
  await fc.assert(
    fc.asyncProperty(worldOf(AT_ONCE), async ({ scripts, ...options }) => {
      const world = await openWorld(options);
      try {
        const lived = await Promise.all(
          scripts.map((script, i) => live(world, script, `user_${i}`)),
        );
        await reconcile(world);
        for (const one of lived) await expectAsModelled(world, one);
        const [{ db }] = world.servers;
        expect(await verifyLedger(db.pool)).toMatchObject({ faults: [] });
        for (const { ledger } of world.servers) expect(ledger.counts.lockViolations).toBe(0);
      } finally {
        await world.servers[0].close();
      }
    }),
    { seed: SEED, numRuns: Math.ceil(LIVES / AT_ONCE), endOnFailure: true },
  );
}, 3_600_000);
