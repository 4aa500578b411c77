import type { Command, Outcome } from '../../src/ledger/core/command.ts';
import type { Entry } from '../../src/ledger/core/entry.ts';

/** Counts what random commands came to, so that a property can say that it met everything. */
export function createTally() {
  const counts = new Map<string, number>();
  let commands = 0;
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
  return {
    add({ kind }: Command, outcome: Outcome): void {
      commands += 1;
      const done = outcome.ok && outcome.replayed ? 'replayed' : 'done';
      count(`${kind}: ${outcome.ok ? done : outcome.refusal.code}`);
    },
    addEntry({ kind, draws }: Entry): void {
      count(`entry: ${kind}`);
      if (draws?.some(({ reopens }) => reopens)) count('entry: reopens a lot');
    },
    commands: () => commands,
    /** Of those things, the ones that were met fewer than so many times, each with its count. */
    rarerThan(times: number, things: readonly string[]): Readonly<Record<string, number>> {
      const rare = things.map((what) => [what, counts.get(what) ?? 0] as const);
      return Object.fromEntries(rare.filter(([, met]) => met < times));
    },
  };
}

/** What a command of each kind can come to: every success and every refusal there is. */
export const OUTCOMES = [
  ...each('grant', 'done', 'replayed', 'idempotency_conflict', 'balance_limit'),
  ...each('grant', 'too_many_lots', 'expiry_passed'),
  ...each('debit', 'done', 'replayed', 'idempotency_conflict', 'insufficient_credits'),
  ...each('hold', 'done', 'replayed', 'idempotency_conflict', 'insufficient_credits'),
  ...each('hold', 'hold_exists', 'too_many_holds'),
  ...each('capture', 'done', 'replayed', 'idempotency_conflict', 'insufficient_credits'),
  ...each('capture', 'hold_not_found', 'hold_captured', 'hold_released', 'hold_expired'),
  ...each('capture', 'capture_exceeds_hold'),
  ...each('release', 'done', 'replayed', 'idempotency_conflict'),
  ...each('release', 'hold_not_found', 'hold_captured', 'hold_released', 'hold_expired'),
  ...each('reverse', 'done', 'replayed', 'idempotency_conflict', 'balance_limit'),
  ...each('reverse', 'entry_not_found', 'not_reversible', 'reversal_exceeds_entry'),
  ...each('settle_payment', 'done', 'replayed', 'payment_not_granted'),
  ...each('entry', 'expiry', 'clawback', 'reinstatement', 'reopens a lot'),
];

function each(kind: string, ...outcomes: readonly string[]): readonly string[] {
  return outcomes.map((outcome) => `${kind}: ${outcome}`);
}
