import { emptyAccount } from '../../src/ledger/core/account.ts';
import { DEFAULT_ALERT_RULES } from '../../src/ledger/core/alert.ts';
import type { Command, Outcome } from '../../src/ledger/core/command.ts';
import type { Entry } from '../../src/ledger/core/entry.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/ledger/core/limits.ts';
import { createPaymentBook, type Reversed } from '../../src/ledger/core/payment.ts';
import { createDraft } from '../../src/ledger/lane/draft.ts';
import { createEntryBook } from '../../src/ledger/lane/entry-book.ts';
import { createKnownKeys } from '../../src/ledger/lane/known-keys.ts';
import type { Head } from '../../src/ledger/store/accounts.ts';
import { fromState } from '../../src/ledger/store/state.ts';

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
  function postTogether(commands: readonly Command[]): Outcome[] {
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
    // What reverses what this round has written waits for the next.
    const later = commands.filter((_, i) => verdicts[i] === 'skipped');
    const answers = later.length === 0 ? [] : postTogether(later);
    return verdicts.map((verdict) => {
      const outcome = typeof verdict === 'string' ? answers.shift() : verdict;
      if (!outcome) throw new Error('a command of u was never decided');
      return outcome;
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
