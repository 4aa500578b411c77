import { afterEach, beforeEach, expect } from 'vitest';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
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

/** Someone whose pack is granted, and so old at Stripe that no list shows it. */
export async function buyLongAgo(stage: StripeStage) {
  const bought = buyPack(stage);
  for (const event of bought.events) await stage.deliver(event);
  const change = (changes: {
    readonly created?: number;
    readonly paymentStatus?: 'unpaid' | 'paid';
  }) => {
    const record = stage.fake.store.need('checkout.session', bought.session);
    stage.fake.store.save({ ...record, ...changes });
  };
  change({ created: 1_600_000_000 });
  const setPaid = (isPaid: boolean) => change({ paymentStatus: isPaid ? 'paid' : 'unpaid' });
  return { ...bought, setPaid };
}

/** A dispute that is on file, and so old at Stripe that no list shows it. */
export async function disputeLongAgo(stage: StripeStage) {
  const { userId, intent, events } = buyPack(stage);
  const { object, events: opened } = stage.fake.openDispute(intent);
  for (const event of [...events, ...opened]) await stage.deliver(event);
  const record = stage.fake.store.need('dispute', object.id);
  stage.fake.store.save({ ...record, created: 1_600_000_000 });
  return { userId, id: object.id };
}

/** An invoice that somebody writes by hand, and that is paid. */
export function writeInvoice({ fake }: Pick<StripeStage, 'fake'>, price: string, lines: number) {
  const userId = fresh('user');
  const { object } = fake.issueInvoice({
    ...{ customer: fresh('cus'), metadata: { user_id: userId }, how: 'card' },
    lines: Array.from({ length: lines }, () => ({ price })),
  });
  return { userId, id: object.id };
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
