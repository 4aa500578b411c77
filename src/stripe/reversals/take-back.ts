import type { Answer, StripeApi } from '../api/api.ts';
import { fetchCreditNote } from '../api/lines.ts';
import { fetchPaymentState } from '../api/payments.ts';
import { listRefunds } from '../api/refunds.ts';
import { parked, parkedWithout, paymentIsKnown, type Verdict } from '../inbox/verdicts.ts';
import type { AcceptedPayments } from '../payments/accepted-payments.ts';
import type { LearnNames, PaymentNames } from '../payments/payment-names.ts';
import type { Told } from '../shapes/event.ts';
import { isObject, type Json } from '../shapes/json.ts';
import { isBefore } from '../shapes/payment-time.ts';
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
import type { Reversals } from './reversals.ts';
import { createSettle, NONE_LEFT, REASONS, type SettleOptions } from './settle.ts';

export interface TakeBackOptions extends SettleOptions {
  readonly api: StripeApi;
  readonly paymentNames: Pick<PaymentNames, 'share'>;
  readonly learnNames: LearnNames;
  readonly acceptedPayments: AcceptedPayments;
  readonly reversals: Reversals;
  /** See `inUseSince` in account.ts. */
  readonly inUseSince: () => Promise<Date | null>;
}

/** How often a dispute is asked about, when more is told of it meanwhile. */
const TIMES = 3;

const NOTHING_BESIDE = 'it gives nothing back beside its refunds';

/** Carries out what takes credits back, or gives them again. */
export type TakeBack = ReturnType<typeof createTakeBack>;

/**
 * First the fact is filed, whether or not its payment is known; then the payment is settled by all
 * of its facts together. So it does not matter which comes first, how often, or what fails between.
 */
export function createTakeBack(options: TakeBackOptions) {
  const { api, acceptedPayments, records, reversals, inUseSince } = options;
  const tellRelease = createReleases({ api, records });
  const findPayment = createFindPayment(options);
  const { settleAll, catchUp } = createSettle(options);

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
    const noted = await reversals.notedPayment(reversal.id);
    const [owner] = noted === null ? [] : await records.find([noted]);
    const { payment, record } = owner ?? found.payment;
    // Of several, the refunds of one charge, Stripe lists the newest first.
    const note = { reason: REASONS[reversal.kind], ref: reversal.id, metadata: null };
    const settled = await settleAll({ payment, record }, note, event.id);
    if (settled) {
      return isSilent(reversal) && settled.reason === NONE_LEFT
        ? { state: 'ignored', reason: NOTHING_BESIDE }
        : settled;
    }
    if (record === null && reversal.kind === 'credit_note' && reversal.amount === 0) {
      return isSilent(reversal)
        ? { state: 'ignored', reason: NOTHING_BESIDE }
        : { state: 'done', reason: `it is on file; ${NOTHING_BESIDE}` };
    }
    return record?.outcome === 'nothing'
      ? gaveNone(record.reason)
      : awaitPayment(payment, reversal.names);
  }

  /** Of what takes nothing: releases, which may be on file as the refunds that they were taken for. */
  async function giveBack(event: Told, [release]: readonly Reversal[]): Promise<Verdict> {
    if (!release) return { state: 'ignored', reason: 'it gives nothing back' };
    const [known] = await records.find(release.names);
    const note = { reason: REASONS.refund, ref: release.id, metadata: null };
    const settled = known && (await settleAll(known, note, event.id));
    if (settled && settled.reason !== NONE_LEFT) return settled;
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
   * will, or when it was paid something else gave the credits, or an operator wants it to stay
   * without any.
   * That is not recorded, so that nothing stands in its way if it comes after all: its grant finds
   * the fact, which is on file.
   */
  async function awaitPayment(payment: string, names: readonly string[]): Promise<Verdict> {
    const note = await acceptedPayments.noteOf([...names, payment]);
    if (note !== null) return gaveNone(note);
    const causes = [...names, payment].map(paymentIsKnown);
    const asked = await fetchPaymentState(api, payment);
    if (asked.kind !== 'answer') return parkedWithout(asked, causes);
    const { neverPaid, paidAt } = asked.value;
    if (neverPaid !== null) return gaveNone(neverPaid);
    const usedSince = paidAt === null ? null : await inUseSince();
    return paidAt !== null && usedSince !== null && isBefore(paidAt, usedSince)
      ? gaveNone('it was paid before this database came into use')
      : parked('its payment has not arrived yet', causes);
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
