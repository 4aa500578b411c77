import { at, isObject } from '../shapes/json.ts';
import type { Evidence, GrantEvidence } from './evidence.ts';
import { isPaidSession } from './payments-pass.ts';
import { answerOf, asJson, Incomplete, type Run, type Suspect } from './run.ts';

export interface GrantsOptions {
  readonly evidence: Evidence;
  readonly since: Date;
  /** The names of what the lists have shown as paid. */
  readonly paid: ReadonlySet<string>;
}

/** How many payments are asked for one by one: those that no list of this run has shown as paid. */
const MAX_ASKED = 1_000;

/**
 * Finds what was granted and is not paid at Stripe, or does not exist there. Only told, never
 * repaired: no rule derives a debit from it.
 */
export async function compareGrants(
  run: Run,
  { evidence, since, paid }: GrantsOptions,
): Promise<void> {
  let asked = 0;
  for await (const grants of evidence.grantedSince(since)) {
    await run.step();
    run.counts.payments += grants.length;
    for (const grant of grants.filter(({ payment }) => !paid.has(payment))) {
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

function unpaid({ processing }: Run, grant: GrantEvidence): Suspect {
  const { payment, user, amount, currency, credits, when } = grant;
  let answer: Promise<string | null> | null = null;
  // Asked once: what Stripe says of it does not change while the run goes on.
  const ask = () => (answer ??= whyUnpaid());

  async function whyUnpaid(): Promise<string | null> {
    const isSession = payment.startsWith('cs_');
    const found = await processing.api.ask<unknown>((client) =>
      isSession ? client.checkout.sessions.retrieve(payment) : client.invoices.retrieve(payment),
    );
    if (found.kind === 'unusable') return found.reason;
    const object = asJson(answerOf(payment, found));
    if (!isObject(object)) return "Stripe's answer is no object";
    if (isSession) {
      return isPaidSession(object) ? null : `Stripe says ${at(object, 'payment_status')}`;
    }
    return at(object, 'status') === 'paid' ? null : `Stripe says ${at(object, 'status')}`;
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
