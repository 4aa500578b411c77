import type { Account } from '../account.ts';
import { drawInBurnOrder } from '../burn-order.ts';
import {
  type Command,
  type DebitCommand,
  type Grant,
  type GrantCommand,
  MAX_BALANCE,
} from '../command.ts';
import type { Entry } from '../entry.ts';
import { decideCapture, decideHold, decideRelease } from './hold.ts';
import {
  bringsIn,
  type Decision,
  findShortage,
  nextEntry,
  postAll,
  posted,
  postedOne,
  refused,
  type Surroundings,
} from './posting.ts';
import { decideReversal } from './reversal.ts';
import { decideSettlement } from './settlement.ts';

/**
 * The rules of the ledger: what `command` does to `account`. Pure; the caller has locked the
 * account and posted what is due, so what is decided here is what is written.
 */
export function decide(account: Account, command: Command, around: Surroundings): Decision {
  switch (command.kind) {
    case 'grant':
      return decideGrant(account, command, around);
    case 'debit':
      return decideDebit(account, command, around);
    case 'hold':
      return decideHold(account, command, around);
    case 'capture':
      return decideCapture(account, command, around);
    case 'release':
      return decideRelease(account, command, around);
    case 'reverse':
      return decideReversal(account, command, around);
    case 'settle_payment':
      return decideSettlement(account, command, around);
    case 'post_due':
      return refused({ code: 'nothing_else_asked' });
  }
}

function decideGrant(before: Account, command: GrantCommand, around: Surroundings): Decision {
  const isPaid = command.grantKey !== null;
  if (!isPaid && command.grants.some(({ expiresAt }) => hasPassed(expiresAt, around.now))) {
    return refused({ code: 'expiry_passed' });
  }
  const { account, entries } = postAll(before, command.grants, (after, grant) =>
    grantEntry(after, command, grant, around),
  );
  if (account.balance > MAX_BALANCE) return refused({ code: 'balance_limit' });
  const limit = around.limits.openLots;
  const opened = account.lots.length > before.lots.length;
  if (opened && account.lots.length > limit && !isPaid) {
    return refused({ code: 'too_many_lots', limit });
  }
  return posted(before, account, entries);
}

const hasPassed = (moment: number | null, now: number) => moment !== null && moment <= now;

function grantEntry(
  account: Account,
  command: GrantCommand,
  grant: Grant,
  around: Surroundings,
): Entry {
  const { category, amount } = grant;
  return nextEntry(account, command, grant, around, {
    kind: category,
    delta: amount,
    ...bringsIn(account, amount, grant, around.limits),
    payment: command.grantKey,
    invoiceLine: grant.invoiceLine,
    stripeEventId: command.stripeEventId,
    grantKey: command.grantKey,
  });
}

function decideDebit(before: Account, command: DebitCommand, around: Surroundings): Decision {
  const { amount, operation } = command;
  const shortage = findShortage(before, amount);
  if (shortage) return shortage;
  const draws = drawInBurnOrder(before.lots, amount);
  return postedOne(
    before,
    nextEntry(before, command, command, around, {
      kind: 'debit',
      delta: -amount,
      draws,
      operation,
    }),
  );
}
