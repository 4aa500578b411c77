import type { Json } from '../shapes/json.ts';
import type { Paid } from '../shapes/money.ts';
import type { Reversal } from '../shapes/reversal-shapes.ts';
import type { Line } from '../shapes/shapes.ts';
import type { Purchase } from './grants.ts';

/** What an event asks for, before anything has been looked up. */
export type Interpretation =
  | { readonly kind: 'ignore'; readonly reason: string }
  | { readonly kind: 'park'; readonly reason: string }
  /** A slow payment, whose end another event tells. */
  | { readonly kind: 'unpaid'; readonly session: string; readonly aliases: readonly string[] }
  /** The end of a manual capture, which no event of the session tells. */
  | { readonly kind: 'capture_ended'; readonly intent: string }
  | { readonly kind: 'link'; readonly link: Link }
  | { readonly kind: 'pay'; readonly payment: Payment }
  /** Further names of a payment, granted or not. */
  | { readonly kind: 'names'; readonly payment: Pick<NamedPayment, 'key' | 'aliases'> }
  | { readonly kind: 'reversal'; readonly reversal: Reversal }
  /** A credit note that must be asked for: not all of it is told. */
  | { readonly kind: 'credit_note'; readonly id: string }
  | { readonly kind: 'refunded_charge'; readonly charge: RefundedCharge }
  | { readonly kind: 'forget'; readonly customer: string };

/** Whose customer and subscription they are, as a checkout in subscription mode tells. */
export interface Link {
  readonly session: string;
  /** Null when the session names none; its purchase intent may. */
  readonly userId: string | null;
  readonly reference: string | null;
  readonly subscription: string | null;
  readonly customer: string | null;
}

/** A charge, with its refunds when the event holds them all. */
interface RefundedCharge {
  readonly id: string;
  readonly refunds: readonly Json[] | null;
}

/** A payment by all of its names, and what was paid of what it cost. */
export interface NamedPayment {
  readonly key: string;
  readonly aliases: readonly string[];
  readonly money: Paid;
}

/** A payment that has arrived, to be turned into credits under its grant key. */
export interface Payment extends Purchase, NamedPayment {
  /** The purchase intent that it may be the end of, by its own id or by its session's. */
  readonly intent: string | null;
  /** Whether a coupon took something off, or may have. */
  readonly discounted: boolean;
  /** Null when only the intent, the subscription or the customer can tell. */
  readonly userId: string | null;
  /** A session's `client_reference_id`: whose it is only when that is trusted. */
  readonly reference: string | null;
  readonly subscription: string | null;
  readonly customer: string | null;
  /** Null when they must be fetched: a session comes without, an invoice with the first few. */
  readonly lines: readonly Line[] | null;
}
