import { at, isId, type Json, wholeNumber } from './json.ts';

/** An amount in the currency's smallest unit, such as cents. */
export interface Money {
  readonly amount: number;
  readonly currency: string;
}

/** What was paid, of what it cost. */
export interface Paid extends Money {
  /**
   * What it cost, tax included. `amount` is less where only a part of it was captured, or where a
   * credit note lowered it before it was paid; the customer's balance counts as paid.
   */
  readonly total: number;
}

/** Reads an amount beside its currency; null when either is not usable or the amount negative. */
export function readMoney(amount: unknown, currency: unknown): Money | null {
  const whole = wholeNumber(amount);
  if (whole === null || whole < 0 || !isId(currency)) return null;
  return { amount: whole, currency: currency.toLowerCase() };
}

/**
 * Of a payment that was captured in part the session's own fields do not tell: only its payment
 * intent does, where the session was asked for with it. Null when the total cannot be told.
 */
export function readSessionMoney(session: Json): Paid | null {
  const cost = readMoney(at(session, 'amount_total'), at(session, 'currency'));
  if (cost === null) return null;
  const intent = at(session, 'payment_intent');
  const received = readMoney(at(intent, 'amount_received'), at(intent, 'currency'));
  const isKnown = at(intent, 'status') === 'succeeded' && received?.currency === cost.currency;
  return { ...cost, amount: isKnown ? received.amount : cost.amount, total: cost.amount };
}

/**
 * A credit note before the payment lowers what is paid, one after it gives back. Null when the total
 * cannot be told.
 */
export function readInvoiceMoney(invoice: Json): Paid | null {
  const cost = readMoney(toPay(at(invoice, 'total')), at(invoice, 'currency'));
  if (cost === null) return null;
  const credited = wholeNumber(at(invoice, 'pre_payment_credit_notes_amount')) ?? 0;
  return { ...cost, amount: Math.max(0, cost.amount - credited), total: cost.amount };
}

/** A negative total, of a downgrade, is credited to the customer's balance: nothing is paid. */
function toPay(total: unknown): unknown {
  return typeof total === 'number' ? Math.max(0, total) : total;
}
