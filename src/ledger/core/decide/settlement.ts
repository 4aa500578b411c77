import type { Account } from '../account.ts';
import { drawUpTo, inBurnOrder } from '../burn-order.ts';
import { MAX_BALANCE, type SettlePaymentCommand } from '../command.ts';
import type { Entry } from '../entry.ts';
import { clawBackTargets, type PaymentGrant } from '../payment.ts';
import {
  bringsIn,
  type Decision,
  nextEntry,
  postAll,
  posted,
  refused,
  type Surroundings,
} from './posting.ts';

/** Each grant of the payment is moved to its own target, so that its own lot gives first. */
export function decideSettlement(
  before: Account,
  command: SettlePaymentCommand,
  around: Surroundings,
): Decision {
  const payment = around.payment(command.payment);
  if (!payment) return refused({ code: 'payment_not_granted' });
  const targets = clawBackTargets(payment);
  const changes = payment.grants.map((grant, i) => ({
    grant,
    // Positive: still to be clawed back. Negative: to be reinstated.
    change: (targets[i] ?? 0) - grant.clawedBack,
  }));
  const { account, entries } = postAll(
    before,
    // What comes back comes first, so that what is taken then finds it, instead of others' credits.
    changes
      .flatMap(inOwnTerms)
      .filter(({ change }) => change !== 0)
      .toSorted((a, b) => Math.sign(a.change) - Math.sign(b.change)),
    (after, { grant, change }) =>
      change > 0
        ? clawBackEntry(after, command, grant, change, around)
        : reinstatementEntry(after, command, grant, -change, around),
  );
  if (account.balance > MAX_BALANCE) return refused({ code: 'balance_limit' });
  if (entries.length > 0) return posted(before, account, entries);
  return { ok: true, entries, account: before, lead: payment.newest };
}

interface Change {
  readonly grant: PaymentGrant;
  readonly change: number;
}

/**
 * A reinstatement gives credits on the grant's terms, but for those that a claw-back took from other
 * lots or as debt: these come back without expiry, or a dispute that is won would cost other credits.
 */
function inOwnTerms({ grant, change }: Change): readonly Change[] {
  if (change >= 0 || grant.expiresAt === null) return [{ grant, change }];
  const elsewhere = Math.min(-change, grant.clawedElsewhere);
  return [
    { grant: { ...grant, expiresAt: null }, change: -elsewhere },
    { grant, change: change + elsewhere },
  ];
}

/** From the payment's own lot first, then from the others' free credits, and only then debt. */
function clawBackEntry(
  account: Account,
  command: SettlePaymentCommand,
  grant: PaymentGrant,
  amount: number,
  around: Surroundings,
): Entry {
  const own = account.lots.filter(({ seq }) => grant.lots.includes(seq));
  const others = account.lots.filter(({ seq }) => !grant.lots.includes(seq));
  return nextEntry(account, command, command, around, {
    kind: 'clawback',
    delta: -amount,
    draws: drawUpTo([...own, ...inBurnOrder(others)], amount),
    payment: command.payment,
    reversesSeq: grant.seq,
    stripeEventId: command.stripeEventId,
  });
}

/** Pays debt first; the rest opens a lot on the grant's terms. */
function reinstatementEntry(
  account: Account,
  command: SettlePaymentCommand,
  { seq, ...terms }: PaymentGrant,
  amount: number,
  around: Surroundings,
): Entry {
  return nextEntry(account, command, command, around, {
    kind: 'reinstatement',
    delta: amount,
    ...bringsIn(account, amount, terms, around.limits),
    category: terms.category,
    payment: command.payment,
    reversesSeq: seq,
    stripeEventId: command.stripeEventId,
  });
}
