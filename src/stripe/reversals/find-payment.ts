import type { StripeApi } from '../api/api.ts';
import { fetchPaid } from '../api/payments.ts';
import type { Verdict } from '../inbox/inbox.ts';
import { parked, parkedWithout, paymentIsKnown } from '../inbox/verdicts.ts';
import type { PaymentNames } from '../payments/payment-names.ts';
import type { KnownPayment, PaymentRecords } from '../payments/payment-records.ts';
import type { Reversals } from './reversals.ts';

type Found =
  | { readonly kind: 'payment'; readonly payment: KnownPayment }
  | { readonly kind: 'verdict'; readonly verdict: Verdict };

/** Finds the payment that a reversal is about by its names; Stripe is asked when none is known. */
export function createFindPayment(options: {
  readonly api: StripeApi;
  readonly paymentNames: PaymentNames;
  readonly records: Pick<PaymentRecords, 'find'>;
  readonly reversals: Pick<Reversals, 'notedInvoice'>;
}) {
  const { api, paymentNames, records, reversals } = options;

  async function findPayment(id: string, names: readonly [string, ...string[]]): Promise<Found> {
    const known = (await records.find(names))[0];
    const looked = known ? { key: known.payment } : await lookUp(id, names);
    if ('state' in looked) return { kind: 'verdict', verdict: looked };
    // Learns the names that were not known yet, and joins what turns out to be one payment.
    const { key } = await paymentNames.claim(looked.key, names);
    const [payment = { payment: key, record: null, paid: null, unpaid: null }] = await records.find(
      [key],
    );
    return { kind: 'payment', payment };
  }

  async function lookUp(
    id: string,
    names: readonly [string, ...string[]],
  ): Promise<{ readonly key: string } | Verdict> {
    const invoice = names.find((name) => name.startsWith('in_'));
    if (invoice !== undefined) return { key: invoice };
    const asked = await fetchPaid(api, names);
    const causes = names.map(paymentIsKnown);
    if (asked.kind !== 'answer') return parkedWithout(asked, causes);
    const [paid, another] = asked.value;
    if (paid === undefined) {
      return { state: 'ignored', reason: 'no checkout session and no invoice was paid with it' };
    }
    if (another === undefined) return { key: paid };
    const invoiceOfNote = await reversals.notedInvoice(id);
    if (invoiceOfNote !== null) return { key: invoiceOfNote };
    const todo = 'a credit note tells which it is for; else `purser events ignore` it';
    return parked(`it paid several invoices: ${paid} and ${another}; ${todo}`, causes);
  }

  return findPayment;
}
