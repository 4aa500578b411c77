import { afterEach, beforeEach, expect } from 'vitest';
import { verifyLedger } from '../../src/ledger/verify.ts';
import { createReconciler, type ReconcileOptions } from '../../src/stripe/reconcile/reconcile.ts';
import type { Report } from '../../src/stripe/reconcile/report.ts';
import { type StripeStage, startStripeStage } from './stripe.ts';

export let stage: StripeStage;
/** Gives each test a stage of its own, and verifies its ledger at the end. */
export function useReconcileStage(): void {
  beforeEach(async () => {
    stage = await startStripeStage();
  });
  afterEach(async () => {
    expect(await verifyLedger(stage.db.pool)).toMatchObject({ faults: [] });
    expect(stage.ledger.counts.lockViolations).toBe(0);
    await stage.close();
  });
}

/** What compares the fake Stripe of a stage with its ledger. */
export function reconcilerOf({ db, receiver, app, livemode }: StripeStage) {
  const { processing } = receiver;
  return createReconciler({ pool: db.pool, processing, livemode, log: app.log });
}

/** One run, a dry one unless something else is said. */
export async function reconcileOn(
  stage: StripeStage,
  options: Partial<ReconcileOptions> = {},
): Promise<Report> {
  const report = await reconcilerOf(stage).run({ apply: false, since: null, ...options });
  if (!report) throw new Error('another run is under way');
  return report;
}

let made = 0;

/** An id that no other call has returned. */
export function fresh(prefix: string): string {
  made += 1;
  return `${prefix}_${made}`;
}

/** Someone who has paid for a pack of 100 credits, of which Purser has not been told. */
export function buyPack(
  { fake }: Pick<StripeStage, 'fake'>,
  options: { readonly price?: string; readonly capture?: 'manual' } = {},
) {
  const userId = fresh('user');
  const { price = 'price_pack', ...more } = options;
  const { id } = fake.createSession({ userId, lines: [{ price }], ...more });
  const { object, events } = fake.paySession(id);
  return { userId, session: id, intent: String(object['payment_intent']), events };
}

/** Lets Stripe forget its events, as it does after 30 days, but not what they told of. */
export function forgetEvents({ fake }: Pick<StripeStage, 'fake'>): void {
  fake.advance(31 * 86_400);
}

/** Time goes by: what was created before lies behind the cursor, and no list shows it any more. */
export function passBy({ db }: Pick<StripeStage, 'db'>) {
  return db.sql(
    `UPDATE stripe_reconcile
        SET objects_seen_until = now() + interval '2 days', looked_back_at = now()`,
  );
}
