import type { Outcome, SettlePaymentCommand } from '../../ledger/core/command.ts';
import type { Note } from '../../ledger/core/entry.ts';
import type { ClawBack } from '../../ledger/read/claw-backs.ts';
import type { Answer, StripeApi } from '../api/api.ts';
import { fetchCreditNote } from '../api/lines.ts';
import { fetchWhyNeverPaid } from '../api/payments.ts';
import { listRefunds } from '../api/refunds.ts';
import type { Verdict } from '../inbox/inbox.ts';
import { parked, parkedWithout, paymentIsKnown } from '../inbox/verdicts.ts';
import type { AcceptedPayments } from '../payments/accepted-payments.ts';
import type { PaymentNames } from '../payments/payment-names.ts';
import type { PaymentRecords } from '../payments/payment-records.ts';
import type { Told } from '../shapes/event.ts';
import { isObject, type Json } from '../shapes/json.ts';
import { isCapturedInPart } from '../shapes/release.ts';
import {
  type RefundedCharge,
  type Reversal,
  readCreditNote,
  readDisputeNow,
  readRefund,
} from '../shapes/reversal-shapes.ts';
import { createFindPayment } from './find-payment.ts';
import { createReleases, NO_MONEY_MOVED } from './releases.ts';
import type { FiledReversal, Reversals } from './reversals.ts';

export interface TakeBackOptions {
  readonly api: StripeApi;
  readonly paymentNames: PaymentNames;
  readonly acceptedPayments: AcceptedPayments;
  readonly records: PaymentRecords;
  readonly reversals: Reversals;
  readonly post: (command: SettlePaymentCommand) => Promise<Outcome>;
  readonly clawBacks: (payments: readonly string[]) => Promise<readonly ClawBack[]>;
}

/** How often a dispute is asked about, when more is told of it meanwhile. */
const TIMES = 3;

/** The most reversals that one entry names. */
const NAMED = 20;

const NOTHING_BESIDE = 'it gives nothing back beside its refunds';
const NONE_LEFT = 'no credits were left to move';

/** How the statement calls what moved the credits. */
const REASONS = { refund: 'Refund', dispute: 'Dispute', credit_note: 'Credit note' } as const;

/** Settled, with what it wakes; or parked, because the ledger refuses. */
type CaughtUp = Exclude<Verdict, { readonly state: 'ignored' }>;

/** Carries out what takes credits back, or gives them again. */
export type TakeBack = ReturnType<typeof createTakeBack>;

/**
 * First the fact is filed, whether or not its payment is known; then the payment is settled by all
 * of its facts together. So it does not matter which comes first, how often, or what fails between.
 */
export function createTakeBack(options: TakeBackOptions) {
  const { api, paymentNames, acceptedPayments, records, reversals, post, clawBacks } = options;
  const tellRelease = createReleases({ api, records });
  const findPayment = createFindPayment({ api, paymentNames, records });

  async function reverse(event: Told, said: readonly Reversal[]): Promise<Verdict> {
    const told: Reversal[] = [];
    const waits: Verdict[] = [];
    for (const one of said) {
      // What may be a release is filed as the refund that it is told to be: its grant, if it comes
      // before Stripe's answer, must not give what has gone back.
      const { reversal, wait } = await tellRelease(one);
      const { undecided } = await reversals.file(
        reversal,
        event.id === null ? null : event.created,
      );
      const verdict = wait ?? (undecided ? await askAboutDispute(one.id) : null);
      if (verdict) waits.push(verdict);
      told.push(reversal);
    }
    const [wait] = waits;
    if (wait) return wait;
    const reversal = told.find(({ isRelease }) => !isRelease);
    if (!reversal) return giveBack(event, told);
    if (told.every(({ live }) => live === null)) {
      return { state: 'done', reason: 'it is on file; no money has moved' };
    }
    const found = await findPayment([reversal.names[0], ...told.flatMap(({ names }) => names)]);
    if (found.kind === 'verdict') return found.verdict;
    const { payment, record } = found.payment;
    if (record === null && reversal.kind === 'credit_note' && reversal.amount === 0) {
      return isSilent(reversal)
        ? { state: 'ignored', reason: NOTHING_BESIDE }
        : { state: 'done', reason: `it is on file; ${NOTHING_BESIDE}` };
    }
    if (record === null) return awaitPayment(payment, reversal.names);
    if (record.outcome === 'nothing') return gaveNone(record.reason);
    // Of several, the refunds of one charge, Stripe lists the newest first.
    const note = { reason: REASONS[reversal.kind], ref: reversal.id, metadata: null };
    const ids = told.map(({ id }) => id);
    const others = await settleOthers(payment, ids, note);
    if (others) return others;
    const settled = await settle(payment, record.userId, note, event.id);
    return isSilent(reversal) && settled.reason === NONE_LEFT
      ? { state: 'ignored', reason: NOTHING_BESIDE }
      : settled;
  }

  /**
   * Settles the other payments to or from which a refund of a shared payment intent goes. Each by all
   * of its own facts, so that no event is named twice. Null unless the ledger refuses one.
   */
  async function settleOthers(payment: string, told: readonly string[], note: Note) {
    const others = await reversals.assign(payment, told);
    for (const other of others.length === 0 ? [] : await records.find(others)) {
      if (other.record?.outcome !== 'granted') continue;
      const settled = await settle(other.payment, other.record.userId, note, null);
      if (settled.state === 'parked') return settled;
    }
    return null;
  }

  /** Of what takes nothing: releases, which may be on file as the refunds that they were taken for. */
  async function giveBack(event: Told, [release]: readonly Reversal[]): Promise<Verdict> {
    if (!release) return { state: 'ignored', reason: 'it gives nothing back' };
    const [known] = await records.find(release.names);
    if (known?.record?.outcome === 'granted') {
      const note = { reason: REASONS.refund, ref: release.id, metadata: null };
      const settled = await settle(known.payment, known.record.userId, note, event.id);
      if (settled.state === 'parked' || settled.reason === undefined) return settled;
    }
    return { state: 'ignored', reason: NO_MONEY_MOVED };
  }

  /** Of a charge.refunded event: the charge's refunds, listed when the payload lacks them. */
  async function reverseCharge(event: Told, charge: RefundedCharge): Promise<Verdict> {
    const refunds = await refundsOf(event, charge);
    if (refunds.kind !== 'answer') return parkedWithout(refunds);
    const told: Reversal[] = [];
    for (const refund of refunds.value) {
      const read = readRefund(refund, 'refund.updated');
      if (!read.ok) return parked(read.problem);
      if (read.value !== null) told.push(read.value);
    }
    return reverse(event, told);
  }

  async function refundsOf(
    { object }: Told,
    { id, refunds }: RefundedCharge,
  ): Promise<Answer<readonly Json[]>> {
    // The event's charge is of its own moment, and tells nothing of refunds that are listed now.
    if (refunds === null) return listRefunds(api, id);
    const charge = isCapturedInPart(object) ? id : object;
    return { kind: 'answer', value: refunds.map((refund) => ({ ...refund, charge })) };
  }

  /** Of a credit note whose event does not tell all of it. */
  async function reverseCreditNote(event: Told, id: string): Promise<Verdict> {
    const note = await fetchCreditNote(api, id);
    if (note.kind !== 'answer') return parkedWithout(note);
    const read = readCreditNote(note.value);
    if (!read.ok) return parked(read.problem);
    return reverse(event, read.value === null ? [] : [read.value]);
  }

  /** Where events cannot be put in order only the dispute itself can tell. Null when it did. */
  async function askAboutDispute(id: string): Promise<Verdict | null> {
    for (let time = 0; time < TIMES; time++) {
      const version = await reversals.versionOf(id);
      const asked = await api.ask((client) => client.disputes.retrieve(id));
      if (asked.kind !== 'answer') return parkedWithout(asked);
      const dispute: unknown = asked.value;
      const read = readDisputeNow(isObject(dispute) ? dispute : {});
      if (!read.ok) return parked(read.problem);
      if (await reversals.decide(read.value, version)) return null;
    }
    return parked('the dispute changes while Stripe is asked about it');
  }

  /**
   * Of a payment that no event has brought: it may still come, or Stripe knows that it never
   * will, or an operator wants it to stay without credits.
   * That is not recorded, so that nothing stands in its way if it comes after all: its grant finds
   * the fact, which is on file.
   */
  async function awaitPayment(payment: string, names: readonly string[]): Promise<Verdict> {
    const note = await acceptedPayments.noteOf([...names, payment]);
    if (note !== null) return gaveNone(note);
    const causes = [...names, payment].map(paymentIsKnown);
    const asked = await fetchWhyNeverPaid(api, payment);
    if (asked.kind !== 'answer') return parkedWithout(asked, causes);
    if (asked.value === null) return parked('its payment has not arrived yet', causes);
    return gaveNone(asked.value);
  }

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
    return { state: 'done', reason: NONE_LEFT };
  }

  /**
   * What must follow whenever a payment is recorded or learns a name: what was told of it before is
   * settled. Parked when the ledger refuses that.
   */
  async function catchUp(payment: string): Promise<CaughtUp> {
    const filed = await reversals.of(payment);
    const [known] = filed.length === 0 ? [] : await records.find([payment]);
    if (known?.record?.outcome === 'granted') {
      const { userId } = known.record;
      const note = await tellWhatMoves(payment, filed);
      const others = await settleOthers(payment, [], note);
      if (others) return others;
      const verdict = await settle(payment, userId, note, null);
      if (verdict.state === 'parked') return verdict;
    }
    const wakes = filed.length === 0 ? [] : [payment, ...filed.map(({ name }) => name)];
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

  return { reverse, reverseCharge, reverseCreditNote, catchUp };
}

/** A credit note that says no more than whose its refunds are. */
const isSilent = ({ kind, amount, lineAmounts }: Reversal) =>
  kind === 'credit_note' && amount === 0 && lineAmounts === null;

/** The event ends here, but what it told of is on file: a grant that comes after all finds it. */
function gaveNone(why: string): Verdict {
  const reason = `its payment gave no credits by then: ${why}; it is on file for any that come later`;
  return { state: 'ignored', reason };
}
