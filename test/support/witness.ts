import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { Command, Outcome } from '../../src/ledger/core/command.ts';
import type { Entry } from '../../src/ledger/core/entry.ts';
import type { Limits } from '../../src/ledger/core/limits.ts';
import { createNaiveLedger, toldBy } from './naive-ledger.ts';

/** A command that was sent, and what its caller heard. */
export interface Sent {
  readonly command: Command;
  readonly outcome: Outcome;
  /** What the clock of its process said, roughly, in milliseconds since 1970. */
  readonly now: number;
}

/** Something that took effect; without a command, only what was due. */
interface Step {
  readonly command: Command | null;
  readonly now: number;
  readonly parts: ReadonlyMap<string, number>;
}

/**
 * Watches one account that several processes use at once. What took effect is lived again by plain
 * arithmetic in the order of the ledger; everything else that a caller heard must be the answer at
 * some moment of that time.
 */
export function createWitness(limits: Limits) {
  const steps: Step[] = [];

  /** The account by plain arithmetic, after so many steps. */
  function liveAgain(count = steps.length) {
    const naive = createNaiveLedger(limits);
    for (const step of steps.slice(0, count)) take(naive, step);
    return naive;
  }

  /** What no caller could have heard after any of the steps from `first` on. */
  function findUnexplained(sent: readonly Sent[], first: number, parts: Step['parts']) {
    let left = sent;
    for (let count = first; count <= steps.length; count++) {
      let naive = liveAgain(count);
      left = left.filter(({ command, outcome, now }) => {
        const { seq } = naive.known();
        const told = take(naive, { command, now, parts });
        if (naive.known().seq !== seq) naive = liveAgain(count);
        return !isDeepStrictEqual(told, toldBy(outcome));
      });
    }
    return left;
  }

  return {
    liveAgain,
    /**
     * Takes in what happened at once.
     * @param history all entries so far, oldest first
     * @param parts how much of which payment had gone back by then
     */
    watch(history: readonly Entry[], sent: readonly Sent[], parts: Step['parts']): void {
      const naive = liveAgain();
      const first = steps.length;
      const leads = new Map(
        sent.flatMap((one) =>
          one.outcome.ok && !one.outcome.replayed ? [[one.outcome.entry.seq, one]] : [],
        ),
      );
      for (let { seq } = naive.known(); seq < history.length; { seq } = naive.known()) {
        const [before, entry] = [history[seq - 1], history[seq] as Entry];
        const lead = leads.get(entry.seq);
        // An entry is never dated before the one before it: then its process's clock was behind.
        const isDated = entry.createdAt > (before?.createdAt ?? 0);
        const now = isDated || !lead ? entry.createdAt : Math.min(lead.now, entry.createdAt);
        const step = { command: lead?.command ?? null, now, parts: new Map(parts) };
        expect(take(naive, step)).toEqual(lead ? toldBy(lead.outcome) : null);
        expect(naive.known().seq, 'what nobody asked for was due').toBeGreaterThan(seq);
        steps.push(step);
        leads.delete(entry.seq);
      }
      expect([...leads.values()], 'what was acknowledged is in the history').toEqual([]);
      const others = sent.filter(({ outcome }) => !outcome.ok || outcome.replayed);
      expect(findUnexplained(others, first, parts)).toEqual([]);
    },
  };
}

function take(naive: ReturnType<typeof createNaiveLedger>, { command, now, parts }: Step) {
  for (const [payment, part] of parts) naive.parts.set(payment, part);
  if (command) return naive.post(command, now);
  naive.postDue(now);
  return null;
}
