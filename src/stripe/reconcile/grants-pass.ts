import { at } from '../shapes/json.ts';
import type { GrantEvidence, RecordedPayment } from './evidence.ts';
import { lookAt } from './look-at.ts';
import { askFor } from './objects.ts';
import { isPaid } from './payments-pass.ts';
import type { Finding } from './report.ts';
import type { Run, Suspect } from './run.ts';

/**
 * Finds what was granted and is not paid at Stripe, or does not exist there. Only told, never
 * repaired: no rule derives a debit from it. What no list of this run has shown as paid is asked
 * for one by one: some in a run, those first whose turn is longest ago.
 * @returns how many still wait for their turn
 */
export async function compareGrants(run: Run, since: Date): Promise<number> {
  const { followUps, apply, inTurn } = run;
  const before = await followUps.neverAsked(since, inTurn);
  const unlisted: RecordedPayment[] = [];
  for await (const payments of run.evidence.recordedSince(since)) {
    await run.step();
    const granted = payments.filter((one) => one.granted);
    run.counts.payments += granted.filter(({ reversed }) => !reversed).length;
    unlisted.push(...granted.filter(({ payment }) => !run.paid.has(payment)));
    const listed = granted.filter(({ payment, askedAt }) => !askedAt && run.paid.has(payment));
    if (apply && listed.length > 0) {
      await followUps.notePaymentsAsked(listed.map(({ payment }) => payment));
    }
  }
  unlisted.sort((a, b) => Number(a.askedAt ?? 0) - Number(b.askedAt ?? 0));
  const waiting = [...before.payments, ...unlisted.map(({ payment }) => payment)];
  const turn = waiting.slice(0, inTurn);
  for (const payment of turn) {
    const isSeen = await lookAt(run, {
      about: { kind: 'granted-but-not-paid', object: payment },
      look: () => compareGrant(run, payment),
      noteUnseen: (reason) => noteUnseen(run, payment, reason),
    });
    if (isSeen && apply) await followUps.notePaymentsAsked([payment]);
  }
  return before.all + unlisted.length - turn.length;
}

/** Compares what one payment granted. */
export async function compareGrant(run: Run, payment: string): Promise<void> {
  const grant = await run.evidence.grantOf(payment);
  if (grant) await run.suspect(unpaid(run, grant));
}

/** Those behind it have their turn now; it has its own among what was left. */
async function noteUnseen({ evidence, followUps }: Run, payment: string, reason: string) {
  const grant = await evidence.grantOf(payment);
  await followUps.notePaymentsAsked([payment]);
  return grant && followUps.noteUnseen(describe(grant, 'unanswered', reason));
}

function describe(
  { payment, user, amount, currency, credits, when }: GrantEvidence,
  code: Finding['code'],
  why: string,
): Finding {
  return {
    kind: 'granted-but-not-paid',
    code,
    object: payment,
    ...{ user, amount, currency },
    credits: credits === null ? null : -credits,
    when,
    why,
  };
}

function unpaid(run: Run, grant: GrantEvidence): Suspect {
  const { payment } = grant;
  type Unpaid = Pick<Finding, 'code' | 'why'>;
  let answer: Promise<Unpaid | null> | null = null;
  // Asked once: what Stripe says of it does not change while the run goes on.
  const ask = () => (answer ??= whyUnpaid());

  async function whyUnpaid(): Promise<Unpaid | null> {
    const kind = payment.startsWith('cs_') ? 'session' : 'invoice';
    const answer = await askFor(run, kind, payment);
    if (answer.kind === 'unusable') {
      return { code: 'unusable_answer', why: answer.reason };
    }
    if (isPaid(kind, answer.value)) return null;
    const status = at(answer.value, kind === 'invoice' ? 'status' : 'payment_status');
    return { code: 'not_paid', why: `Stripe says ${status}` };
  }

  return {
    isOff: async () => (await ask()) !== null,
    async describe() {
      const { code, why } = (await ask()) ?? { code: '', why: '' };
      return describe(grant, code, why);
    },
    repair: null,
  };
}
