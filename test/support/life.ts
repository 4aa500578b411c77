import { emptyAccount } from '../../src/ledger/account.ts';
import { DEFAULT_ALERT_RULES } from '../../src/ledger/alert.ts';
import type { Command, Outcome } from '../../src/ledger/command.ts';
import { createDraft } from '../../src/ledger/draft.ts';
import type { Entry } from '../../src/ledger/entry.ts';
import { createEntryBook } from '../../src/ledger/entry-book.ts';
import { createKnownKeys } from '../../src/ledger/known-keys.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/ledger/limits.ts';
import { createPaymentBook, type Reversed } from '../../src/ledger/payment.ts';
import { fromState } from '../../src/ledger/state.ts';
import type { Head } from '../../src/ledger/store.ts';

export const START = 1_700_000_000_000;
export const DAY = 86_400_000;

/**
 * The account of user `u` with its history, its payments' facts and a clock, without a database:
 * each round is drafted as a transaction would, and what it wrote is what the next one loads.
 */
export function createLife(limits: Limits = DEFAULT_LIMITS) {
  let head: Head = { account: emptyAccount('u'), hash: null, now: START };
  let sweptAt: number | null = null;
  const ids = idsFrom(1);
  const history: Entry[] = [];
  const reversed = new Map<string, Reversed>();
  const rules = {
    ...{ limits, alertRules: DEFAULT_ALERT_RULES, clockOffset: 0 },
    newId: () => ids.next().value,
  };

  /** Carries out commands that travel in one transaction. */
  function postTogether(commands: readonly Command[]): readonly Outcome[] {
    const draft = createDraft(rules, {
      known: createKnownKeys(history),
      payments: createPaymentBook(history, reversed),
      named: createEntryBook(history),
    });
    draft.decideAll(commands, new Map([['u', sweptAt]]), new Map([['u', head]]));
    const { sealed, due, verdicts } = draft.plan(commands, new Set());
    history.push(...sealed.map(({ entry }) => entry));
    for (const { dueAt } of due) sweptAt = dueAt;
    const last = sealed.at(-1);
    if (last) {
      const { seq, balance, held, createdAt: updatedAt } = last.entry;
      const holdings = fromState(last.state ?? { debt: 0, lots: [] });
      const account = { userId: 'u', seq, balance, held, ...holdings, updatedAt };
      head = { ...head, account, hash: last.hash };
    }
    return verdicts.map((verdict) => {
      if (typeof verdict === 'string') throw new Error(`a command of u was ${verdict}`);
      return verdict;
    });
  }

  function post(command: Command): Outcome {
    const [outcome] = postTogether([command]);
    if (!outcome) throw new Error('a command has an outcome');
    return outcome;
  }

  return {
    ...{ history, post, postTogether },
    account: () => head.account,
    now: () => head.now,
    /** When the sweep will look at the account; null for never. */
    sweptAt: () => sweptAt,
    postDue(): void {
      post({ kind: 'post_due', userId: 'u', actor: 'system', idempotencyKey: null });
    },
    /** Less than 0 for a server whose clock is behind that of the one before. */
    wait(days: number): void {
      head = { ...head, now: head.now + days * DAY };
    },
    reverse(
      payment: string,
      amountPaid: number,
      amountReversed: number,
      lines: Reversed['lines'] = new Map(),
    ): void {
      reversed.set(payment, { amountPaid, amountReversed, lines });
    },
  };
}

function* idsFrom(first: number): Generator<string, never> {
  for (let id = first; ; id++) yield `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`;
}
