import { type Account, emptyAccount } from '../../src/ledger/core/account.ts';
import type { Command } from '../../src/ledger/core/command.ts';
import { decide } from '../../src/ledger/core/decide/decide.ts';
import { decideDue } from '../../src/ledger/core/decide/due.ts';
import type { Surroundings } from '../../src/ledger/core/decide/posting.ts';
import type { Entry } from '../../src/ledger/core/entry.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/ledger/core/limits.ts';
import { createPaymentBook, type Reversed } from '../../src/ledger/core/payment.ts';
import { createEntryBook } from '../../src/ledger/lane/entry-book.ts';

export const START = 1_700_000_000_000;
export const DAY = 86_400_000;

/** The account of user `u` with its history, its payments' facts and a clock, without a database. */
export function createLife(limits: Limits = DEFAULT_LIMITS) {
  let account = emptyAccount('u');
  let now = START;
  const ids = idsFrom(1);
  const history: Entry[] = [];
  const reversed = new Map<string, Reversed>();

  function around(): Surroundings {
    const payments = createPaymentBook(history, reversed);
    const named = createEntryBook(history);
    return {
      ...{ now, limits },
      newId: () => ids.next().value,
      payment: (key) => payments.find('u', key),
      hold: (id) => named.hold('u', id),
      entry: (seq) => named.entry('u', seq),
      reversing: (seq) => named.reversing('u', seq),
      joining: (lot) => named.joining('u', lot),
    };
  }

  function append(decided: { account: Account; entries: readonly Entry[] }): void {
    history.push(...decided.entries);
    account = decided.account;
  }

  function postDue(): void {
    append(decideDue(account, around()));
  }

  return {
    history,
    account: () => account,
    now: () => now,
    postDue,
    wait(days: number) {
      now += days * DAY;
    },
    reverse(
      payment: string,
      amountPaid: number,
      amountReversed: number,
      lines: Reversed['lines'] = new Map(),
    ) {
      reversed.set(payment, { amountPaid, amountReversed, lines });
    },
    post(command: Command) {
      postDue();
      const decision = decide(account, command, around());
      if (decision.ok) append(decision);
      if (decision.ok && command.kind !== 'debit') postDue();
      return decision;
    },
  };
}

function* idsFrom(first: number): Generator<string, never> {
  for (let id = first; ; id++) yield `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`;
}
