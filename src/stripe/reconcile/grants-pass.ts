import { at } from '../shapes/json.ts';
import type { GrantEvidence } from './evidence.ts';
import { askFor } from './objects.ts';
import { isPaid } from './payments-pass.ts';
import { Incomplete, type Run, type Suspect } from './run.ts';

/** How many payments are asked for one by one: those that no list of this run has shown as paid. */
const MAX_ASKED = 1_000;

/**
 * Finds what was granted and is not paid at Stripe, or does not exist there. Only told, never
 * repaired: no rule derives a debit from it.
 */
export async function compareGrants(run: Run, since: Date): Promise<void> {
  let asked = 0;
  for await (const grants of run.evidence.grantedSince(since)) {
    await run.step();
    run.counts.payments += grants.length;
    for (const grant of grants.filter(({ payment }) => !run.paid.has(payment))) {
      if (asked === MAX_ASKED) {
        throw new Incomplete(
          `more than ${MAX_ASKED} payments were granted that are older than what was listed`,
        );
      }
      asked += 1;
      await run.suspect(unpaid(run, grant));
    }
  }
}

/** Compares what one payment granted. */
export async function compareGrant(run: Run, payment: string): Promise<void> {
  const grant = await run.evidence.grantOf(payment);
  if (grant) await run.suspect(unpaid(run, grant));
}

function unpaid(run: Run, grant: GrantEvidence): Suspect {
  const { payment, user, amount, currency, credits, when } = grant;
  let answer: Promise<string | null> | null = null;
  // Asked once: what Stripe says of it does not change while the run goes on.
  const ask = () => (answer ??= whyUnpaid());

  async function whyUnpaid(): Promise<string | null> {
    const kind = payment.startsWith('cs_') ? 'session' : 'invoice';
    const answer = await askFor(run, kind, payment);
    if (answer.kind === 'unusable') return answer.reason;
    if (isPaid(kind, answer.value)) return null;
    return `Stripe says ${at(answer.value, kind === 'invoice' ? 'status' : 'payment_status')}`;
  }

  return {
    isOff: async () => (await ask()) !== null,
    describe: async () => ({
      kind: 'granted-but-not-paid',
      object: payment,
      ...{ user, amount, currency },
      credits: credits === null ? null : -credits,
      when,
      why: (await ask()) ?? '',
    }),
    repair: null,
  };
}
