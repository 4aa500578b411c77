/** What an operator says of one event, and thereby of the payment that it tells of. */
import type { Pool } from 'pg';
import { interpret } from '../fulfil/interpret.ts';
import { wakeWaiting } from '../inbox/inbox.ts';
import {
  findEvent,
  ignoredWith,
  OPEN,
  type RetryRequest,
  reopenEvent,
  type ShownEvent,
} from '../inbox/inbox-desk.ts';
import { paymentIsKnown, slowPaymentEnds } from '../inbox/verdicts.ts';
import { isGranted } from '../payments/accepted-payments.ts';
import { readEvent } from '../shapes/event.ts';
import { unacceptFindings } from './acceptances.ts';
import { buys } from './payments-pass.ts';

/**
 * Settles an open event as ignored. Does it tell of a payment, then it is accepted that this has no
 * credits, whoever tells of it next: the buyer who returns, a later event, or reconciliation.
 * An attempt that is under way may still be faster; what it did stays, and is told.
 * @param note who said it, and why
 * @returns why it cannot be; null when it was done
 */
export async function ignoreEvent(
  pool: Pool,
  { id, note }: { readonly id: string; readonly note: string },
): Promise<string | null> {
  const event = await findEvent(pool, id);
  if (event === null) return 'there is no such event';
  const paid = paidBy(event);
  const { rowCount } = await pool.query(IGNORE, [
    ...[id, note, paid !== null, paid?.amount ?? null, paid?.currency ?? null],
    `an operator has ignored ${id}`,
  ]);
  if (rowCount === 1) {
    await wakeWaiting(pool, (paid?.names ?? []).map(paymentIsKnown));
    return null;
  }
  const { state, reason } = (await findEvent(pool, id)) ?? event;
  if (state === 'done') return 'it is done, and what it did stays; the ledger corrects a balance';
  return `it is ignored already: ${reason}`;
}

/** Whatever a payment is found to be worth later: that is what is accepted. */
const IGNORE = `
  WITH ignored AS (
       UPDATE stripe_events
          SET ${ignoredWith('$2')}
        WHERE id = $1 AND ${OPEN}
    RETURNING object_id, created
  ), accepted AS (
    INSERT INTO stripe_findings (object, kind, code, amount, currency, dated_at, why,
                                 accepted_at, note, accepted_code, accepted_amount, accepted_why)
    SELECT object_id, 'paid-but-not-granted', 'ignored', $4, $5, created, $6,
           now(), $2, 'ignored', $4, $6
      FROM ignored
     WHERE $3 AND object_id IS NOT NULL AND NOT ${isGranted('object_id')}
        ON CONFLICT (object, kind) DO UPDATE
       SET code = excluded.code, amount = excluded.amount, currency = excluded.currency,
           credits = NULL, why = excluded.why, changed = false, accepted_at = excluded.accepted_at,
           note = excluded.note, accepted_code = excluded.accepted_code,
           accepted_amount = excluded.accepted_amount, accepted_credits = NULL,
           accepted_why = excluded.accepted_why
  )
  SELECT FROM ignored`;

/** The payment that an event tells of, as far as it can be read; null when it tells of none. */
function paidBy({ type, payload, waitsFor }: ShownEvent) {
  if (payload === null) return null;
  const event = readEvent(payload);
  const asked = interpret(event, event.livemode);
  if (asked.kind === 'pay') {
    const { key, aliases, money } = asked.payment;
    return { names: [key, ...aliases], amount: money.amount, currency: money.currency };
  }
  if (asked.kind === 'unpaid') {
    // By its payload. What waits for something else than the end of its payment was paid since.
    const isPaid = waitsFor.length > 0 && !waitsFor.includes(slowPaymentEnds(asked.session));
    return isPaid ? { names: [asked.session, ...asked.aliases], ...NO_MONEY } : null;
  }
  const kind = type === 'invoice.paid' ? 'invoice' : 'session';
  const isUnread = asked.kind === 'park' && (kind === 'invoice' || type.startsWith('checkout.'));
  return isUnread && buys(kind, event.object) ? { names: [], ...NO_MONEY } : null;
}

const NO_MONEY = { amount: null, currency: null };

/**
 * Makes an event due now. Settled ones are opened again, which the ledger's keys make harmless; was
 * it ignored, that is taken back, and with it what that has accepted of its payment.
 * @returns why it cannot be; null when it was done
 */
export async function retryEvent(pool: Pool, request: RetryRequest): Promise<string | null> {
  const event = await findEvent(pool, request.id);
  if (event?.state === 'ignored' && event.objectId !== null && event.payload !== null) {
    await unacceptFindings(pool, event.objectId, event.reason);
  }
  return reopenEvent(pool, request);
}
