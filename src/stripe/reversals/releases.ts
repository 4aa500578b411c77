import type { StripeApi } from '../api/api.ts';
import { fetchRefund } from '../api/refunds.ts';
import { parked, parkedWithout, paymentIsKnown, type Verdict } from '../inbox/verdicts.ts';
import type { KnownPayment, PaymentRecords } from '../payments/payment-records.ts';
import { isRelease } from '../shapes/release.ts';
import { asRelease, type Reversal } from '../shapes/reversal-shapes.ts';

/** Why a release takes no credits. */
export const NO_MONEY_MOVED = 'it releases what was authorized and not captured: no money moved';

/**
 * Tells refunds from releases of what was authorized, where an event does not: it names the charge
 * and the balance transaction, but does not hold them. Few refunds need to be asked for: only of
 * payments that are not on record, or that lack just as much.
 * @returns the reversal for what it is, with nothing to wait for; or as it was told, and the verdict
 *   on an event that must wait to know it
 */
export function createReleases(options: {
  readonly api: StripeApi;
  readonly records: Pick<PaymentRecords, 'find'>;
}) {
  const { api, records } = options;

  return async function tellRelease(reversal: Reversal): Promise<Known> {
    const asTold = { reversal, wait: null };
    if (reversal.isRelease !== null) return asTold;
    const [known] = await records.find(reversal.names);
    if (known && !mayLack(known, reversal.amount)) return asTold;
    const asked = await fetchRefund(api, reversal.id);
    if (asked.kind === 'unreachable') {
      return { reversal, wait: parkedWithout(asked, reversal.names.map(paymentIsKnown)) };
    }
    // What Stripe does not know can only be what it was told to be.
    if (asked.kind === 'unusable') return asTold;
    const found = isRelease(asked.value);
    if (found === null) {
      return { reversal, wait: parked('it may be a release: its balance transaction will tell') };
    }
    return found ? { reversal: asRelease(reversal), wait: null } : asTold;
  };
}

interface Known {
  readonly reversal: Reversal;
  readonly wait: Extract<Verdict, { readonly state: 'parked' }> | null;
}

/** Whether so much of a payment may not have been captured, as far as its record tells. */
function mayLack({ payment, record, paid, unpaid }: KnownPayment, amount: number): boolean {
  // Manual capture is for payments alone: an invoice that is paid was paid in full.
  if (record?.outcome === 'granted' && payment.startsWith('in_')) return false;
  if (unpaid !== null) return amount === unpaid;
  // Releases that recorded no total took it for paid, and not all of that can have been released.
  return paid === null || amount < paid;
}
