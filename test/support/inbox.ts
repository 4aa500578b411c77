import type { StripeEvent } from '../../packages/fake-stripe/src/events.ts';
import type { StripeStage } from './stripe.ts';

/** The event of a paid session of this user. */
export function purchase({ fake }: StripeStage, userId: string, price = 'price_pack'): StripeEvent {
  return fake.completeSession(fake.createSession({ userId, lines: [{ price }] }).id);
}

export function makeDue({ db }: StripeStage, { id }: { readonly id: string }) {
  return db.sql('UPDATE stripe_events SET next_attempt_at = now() WHERE id = $1', [id]);
}

/** The same of all that is not settled. */
export function makeAllDue({ db }: StripeStage) {
  return db.sql(
    'UPDATE stripe_events SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL',
  );
}

/** Attempts all again that is not settled, as time would. */
export async function attemptAgain(stage: StripeStage): Promise<void> {
  const { inbox, attempt } = stage.receiver.processing;
  await makeAllDue(stage);
  for (const claim of await inbox.claim(100)) await attempt(claim);
}

/** As a server leaves an event that dies after it stored it. */
export async function storeOnly(
  { db }: StripeStage,
  event: StripeEvent,
  lease = "interval '-1 second'",
): Promise<void> {
  await db.sql(
    `INSERT INTO stripe_events (id, type, livemode, created, payload, attempts, next_attempt_at)
     VALUES ($1, $2, false, now(), $3, 1, now() + ${lease})`,
    [event.id, event.type, JSON.stringify(event)],
  );
}
