import type { StripeApi } from '../api/api.ts';
import { fetchPaid } from '../api/payments.ts';
import { parkedWithout, paymentIsKnown, type Verdict } from '../inbox/verdicts.ts';
import type { LearnNames, PaymentNames } from '../payments/payment-names.ts';
import type { KnownPayment, PaymentRecords } from '../payments/payment-records.ts';

type Found =
  | { readonly kind: 'payment'; readonly payment: KnownPayment }
  | { readonly kind: 'verdict'; readonly verdict: Verdict };

/**
 * Finds the payment that a reversal is about by its names; Stripe is asked when none is known. Of
 * several invoices that one payment intent paid it is the one that was told first: the others share
 * its names.
 */
export function createFindPayment(options: {
  readonly api: StripeApi;
  readonly paymentNames: Pick<PaymentNames, 'share'>;
  readonly learnNames: LearnNames;
  readonly records: Pick<PaymentRecords, 'find'>;
}) {
  const { api, paymentNames, learnNames, records } = options;

  async function findPayment(names: readonly [string, ...string[]]): Promise<Found> {
    const known = (await records.find(names))[0];
    const looked = known ? { keys: [known.payment] as const } : await lookUp(names);
    if ('state' in looked) return { kind: 'verdict', verdict: looked };
    // Learns the names that were not known yet, and joins what turns out to be one payment.
    const [first, ...others] = looked.keys;
    for (const other of others) await paymentNames.share(other, names);
    const key = await learnNames(first, names);
    const [payment = { payment: key, record: null, paid: null, unpaid: null }] = await records.find(
      [key],
    );
    return { kind: 'payment', payment };
  }

  async function lookUp(
    names: readonly [string, ...string[]],
  ): Promise<{ readonly keys: readonly [string, ...string[]] } | Verdict> {
    const invoice = names.find((name) => name.startsWith('in_'));
    if (invoice !== undefined) return { keys: [invoice] };
    const asked = await fetchPaid(api, names);
    if (asked.kind !== 'answer') return parkedWithout(asked, names.map(paymentIsKnown));
    const [paid, ...others] = asked.value;
    return paid === undefined
      ? { state: 'ignored', reason: 'no checkout session and no invoice was paid with it' }
      : { keys: [paid, ...others] };
  }

  return findPayment;
}
