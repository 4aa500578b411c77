import type { Outcome, SettlePaymentCommand } from '../../ledger/core/command.ts';
import type { Note } from '../../ledger/core/entry.ts';
import type { ClawBack } from '../../ledger/read/claw-backs.ts';
import { parked, paymentIsKnown, type Verdict } from '../inbox/verdicts.ts';
import type { KnownPayment, PaymentRecords } from '../payments/payment-records.ts';
import type { FiledReversal, Reversals } from './reversals.ts';

export interface SettleOptions {
  readonly records: PaymentRecords;
  readonly reversals: Pick<Reversals, 'of'>;
  readonly post: (command: SettlePaymentCommand) => Promise<Outcome>;
  readonly clawBacks: (payments: readonly string[]) => Promise<readonly ClawBack[]>;
}

/** The most reversals that one entry names. */
const NAMED = 20;

export const NONE_LEFT = 'no credits were left to move';

/** How the statement calls what moved the credits. */
export const REASONS = {
  refund: 'Refund',
  dispute: 'Dispute',
  credit_note: 'Credit note',
} as const;

/** Settled, with what it wakes; or parked, because the ledger refuses. */
type CaughtUp = Exclude<Verdict, { readonly state: 'ignored' }>;

/** Settles payments by all that is on file about them, of which the ledger works out the rest. */
export function createSettle({ records, reversals, post, clawBacks }: SettleOptions) {
  async function settle(
    payment: string,
    userId: string,
    note: Note,
    stripeEventId: string | null,
  ): Promise<CaughtUp> {
    const outcome = await post({
      kind: 'settle_payment',
      userId,
      payment,
      actor: 'stripe',
      stripeEventId,
      idempotencyKey: null,
      ...note,
    });
    if (!outcome.ok) {
      return parked(`the ledger refuses: ${outcome.refusal.code}`, [paymentIsKnown(payment)]);
    }
    if (!outcome.replayed) return { state: 'done' };
    // It was posted for this event before, of which the ledger takes one. More may be on file by now.
    const isKnown = stripeEventId !== null && outcome.entry.stripeEventId === stripeEventId;
    return isKnown ? settle(payment, userId, note, null) : { state: 'done', reason: NONE_LEFT };
  }

  /**
   * Settles a payment, and all that share a name with it: what changes one's part changes the
   * others'. Each by all of its own facts, and only the payment's own entries name the event. Null
   * when none of them granted.
   */
  async function settleAll(
    known: Pick<KnownPayment, 'payment' | 'record'>,
    note: Note,
    stripeEventId: string | null,
  ): Promise<CaughtUp | null> {
    const verdicts: CaughtUp[] = [];
    for (const { payment, record } of [...(await records.findSharing(known.payment)), known]) {
      if (record?.outcome !== 'granted') continue;
      const eventId = payment === known.payment ? stripeEventId : null;
      verdicts.push(await settle(payment, record.userId, note, eventId));
    }
    return (
      verdicts.find(({ state }) => state === 'parked') ??
      verdicts.find(({ reason }) => reason !== NONE_LEFT) ??
      verdicts[0] ??
      null
    );
  }

  /**
   * What must follow whenever a payment is recorded or learns a name: what was told of it before is
   * settled. Parked when the ledger refuses that.
   */
  async function catchUp(payment: string): Promise<CaughtUp> {
    const filed = await reversals.of(payment);
    if (filed.length === 0) return { state: 'done' };
    const note = await tellWhatMoves(payment, filed);
    const [known] = await records.find([payment]);
    const verdict = known && (await settleAll(known, note, null));
    if (verdict?.state === 'parked') return verdict;
    const wakes = [payment, ...filed.map(({ name }) => name)];
    return { state: 'done', wakes: wakes.map(paymentIsKnown) };
  }

  /** Of all that is on file: the latest that takes the credits, or the latest that gives them. */
  async function tellWhatMoves(payment: string, filed: readonly FiledReversal[]): Promise<Note> {
    const gives = (await clawBacks([payment])).some(({ target, booked }) => target < booked);
    const moving = filed.filter(({ live }) => live !== gives);
    const latest = moving.at(-1) ?? filed.at(-1);
    const ids = moving.slice(-NAMED).map(({ id }) => id);
    return {
      reason: latest ? REASONS[latest.kind] : null,
      ref: latest?.id ?? null,
      metadata: gives || ids.length < 2 ? null : { reversals: ids.join(' ') },
    };
  }

  return { settleAll, catchUp };
}
