import type { StripeApi } from '../api/api.ts';
import { fetchRefund } from '../api/refunds.ts';
import type { Verdict } from '../inbox/inbox.ts';
import { API_IS_BACK, FOR_RETURN, parked } from '../inbox/verdicts.ts';
import type { PaymentRecords } from '../payments/payment-records.ts';
import { isRelease } from '../shapes/release.ts';
import { asRelease, type Reversal } from '../shapes/reversal-shapes.ts';

/** Why a release takes no credits. */
export const NO_MONEY_MOVED = 'it releases what was authorized and not captured: no money moved';

/**
 * Tells refunds from releases of what was authorized, where an event does not: it names the charge
 * and the balance transaction, but does not hold them. Few refunds need to be asked for: only of
 * payments that are not on record, or that lack just as much.
 * @returns the reversal for what it is, or the verdict on an event that must wait to know it
 */
export function createReleases(options: {
  readonly api: StripeApi;
  readonly records: Pick<PaymentRecords, 'find'>;
}) {
  const { api, records } = options;

  return async function tellRelease(
    reversal: Reversal,
  ): Promise<Reversal | Extract<Verdict, { readonly state: 'parked' }>> {
    if (reversal.isRelease !== null) return reversal;
    const [known] = await records.find(reversal.names);
    const unpaid = known?.unpaid ?? null;
    if (unpaid !== null && unpaid !== reversal.amount) return reversal;
    const asked = await fetchRefund(api, reversal.id);
    if (asked.kind === 'unreachable') return parked(asked.reason, [API_IS_BACK], FOR_RETURN);
    // What Stripe does not know can only be what it was told to be.
    if (asked.kind === 'unusable') return reversal;
    const found = isRelease(asked.value);
    if (found === null) return parked('it may be a release: its balance transaction will tell');
    return found ? asRelease(reversal) : reversal;
  };
}
