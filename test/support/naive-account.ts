import { type Command, MAX_BALANCE, type Refusal } from '../../src/ledger/core/command.ts';
import type { Category } from '../../src/ledger/core/entry.ts';
import type { Limits } from '../../src/ledger/core/limits.ts';

interface Lot {
  readonly seq: number;
  readonly category: Category;
  readonly priority: number;
  readonly expiresAt: number | null;
  free: number;
}

/** So many credits of one lot, or of none when they came from nowhere. */
interface Part {
  lot: number;
  amount: number;
}

interface Hold {
  readonly seq: number;
  readonly id: string;
  readonly expiresAt: number;
  readonly parts: Part[];
  end: 'hold_captured' | 'hold_released' | 'hold_expired' | null;
}

interface Granted {
  readonly seq: number;
  readonly amount: number;
  readonly terms: Omit<Lot, 'seq' | 'free'>;
  readonly lots: Set<number>;
  clawedBack: number;
  elsewhere: number;
}

const RANK = { bonus: 0, adjustment: 1, included: 2, purchase: 3 } as const;

/**
 * The rules of the ledger a second time, as simply as they can be told: every lot there ever was in
 * one list, changed in place, one credit after the other where that is plainest. Knows nothing of
 * entries but how many there are.
 */
export function createNaiveAccount(limits: Limits) {
  const lots: Lot[] = [];
  const holds = new Map<string, Hold>();
  const taken = new Map<number, { readonly parts: readonly Part[]; given: number }>();
  const payments = new Map<string, Granted[]>();
  /** Which lot took what came in, by the entry that brought it; null when debt took it all. */
  const brought = new Map<number, number | null>();
  let debt = 0;
  let seq = 0;
  /** The latest time that was told of: clocks of several servers disagree, entries' times do not. */
  let latest = 0;

  const free = () => lots.reduce((sum, lot) => sum + lot.free, 0);
  const reserved = (hold: Hold) => hold.parts.reduce((sum, { amount }) => sum + amount, 0);
  const openHolds = () => [...holds.values()].filter(({ end }) => end === null);
  const held = () => openHolds().reduce((sum, hold) => sum + reserved(hold), 0);
  const available = () => free() - debt;
  const balance = () => free() + held() - debt;
  const find = (number: number) => lots.find((lot) => lot.seq === number);

  function openLots(): Lot[] {
    const kept = new Set(openHolds().flatMap(({ parts }) => parts.map(({ lot }) => lot)));
    return lots.filter((lot) => lot.free > 0 || kept.has(lot.seq));
  }

  function burnOrder(): Lot[] {
    return lots
      .filter((lot) => lot.free > 0)
      .sort(
        (a, b) =>
          a.priority - b.priority ||
          Math.sign((a.expiresAt ?? 1e18) - (b.expiresAt ?? 1e18)) ||
          RANK[a.category] - RANK[b.category] ||
          a.seq - b.seq,
      );
  }

  function take(from: readonly Lot[], amount: number): Part[] {
    const parts: Part[] = [];
    for (let left = amount; left > 0; left--) {
      const lot = from.find((one) => one.free > 0);
      if (!lot) break;
      lot.free -= 1;
      const last = parts.at(-1);
      if (last?.lot === lot.seq) last.amount += 1;
      else parts.push({ lot: lot.seq, amount: 1 });
    }
    return parts;
  }

  function repay(amount: number): number {
    const repaid = Math.min(debt, amount);
    debt -= repaid;
    return amount - repaid;
  }

  const joinable = (terms: Omit<Lot, 'seq' | 'free'>) =>
    openLots().length < limits.openLots
      ? null
      : (openLots().findLast((lot) => same(lot, terms)) ?? null);

  /** Returns the lot that took it. */
  function bring(
    amount: number,
    terms: Omit<Lot, 'seq' | 'free'>,
    joined = joinable(terms),
  ): number | null {
    const rest = repay(amount);
    if (joined) joined.free += rest;
    else if (rest > 0) lots.push({ seq, ...terms, free: rest });
    brought.set(seq, rest === 0 ? null : (joined?.seq ?? seq));
    return brought.get(seq) ?? null;
  }

  function putBack(parts: readonly Part[]): void {
    for (const { lot, amount } of parts) {
      const place = find(lot);
      const rest = repay(amount);
      if (place) place.free += rest;
    }
  }

  function postDue(now: number): void {
    for (const hold of openHolds()) {
      if (hold.expiresAt > now) continue;
      seq += 1;
      latest = Math.max(now, latest);
      hold.end = 'hold_expired';
      putBack(hold.parts);
    }
    for (const lot of lots) {
      if (lot.free === 0 || lot.expiresAt === null || lot.expiresAt > now) continue;
      seq += 1;
      latest = Math.max(now, latest);
      lot.free = 0;
    }
  }

  function findShortage(required: number): Refusal | null {
    if (available() >= required) return null;
    return {
      ...{ code: 'insufficient_credits', balance: balance(), available: available(), required },
    };
  }

  /** Null when it is carried out, or why not. */
  function carryOut(
    command: Command,
    now: number,
    reversed: (payment: string) => number,
  ): Refusal | null {
    const before = seq;
    const time = Math.max(now, latest);
    const refusal = decide(command, now, time, reversed);
    if (seq > before) latest = time;
    return refusal;
  }

  function decide(
    command: Command,
    now: number,
    time: number,
    reversed: (payment: string) => number,
  ): Refusal | null {
    switch (command.kind) {
      case 'grant': {
        const isOver = command.grants.some(({ expiresAt }) => (expiresAt ?? Infinity) <= now);
        if (isOver && command.grantKey === null) return { code: 'expiry_passed' };
        const all = command.grants.reduce((sum, { amount }) => sum + amount, 0);
        if (balance() + all > MAX_BALANCE) return { code: 'balance_limit' };
        const granted: Granted[] = [];
        const before = { lots: structuredClone(lots), debt, seq, open: openLots().length };
        for (const { category, priority, expiresAt, amount } of command.grants) {
          seq += 1;
          const terms = { category, priority, expiresAt };
          const lot = bring(amount, terms);
          const own = new Set(lot === null ? [] : [lot]);
          granted.push({ seq, amount, terms, lots: own, clawedBack: 0, elsewhere: 0 });
        }
        const open = openLots().length;
        if (command.grantKey !== null) payments.set(command.grantKey, granted);
        else if (open > limits.openLots && open > before.open) {
          ({ debt, seq } = before);
          lots.splice(0, lots.length, ...before.lots);
          for (const { seq: number } of granted) brought.delete(number);
          return { code: 'too_many_lots', limit: limits.openLots };
        }
        return null;
      }
      case 'debit': {
        const shortage = findShortage(command.amount);
        if (shortage) return shortage;
        seq += 1;
        taken.set(seq, { parts: take(burnOrder(), command.amount), given: 0 });
        return null;
      }
      case 'hold': {
        const id = command.holdId ?? '';
        if (holds.has(id)) return { code: 'hold_exists' };
        const shortage = findShortage(command.amount);
        if (shortage) return shortage;
        const limit = limits.openHolds;
        if (openHolds().length >= limit) return { code: 'too_many_holds', limit };
        seq += 1;
        const parts = take(burnOrder(), command.amount);
        holds.set(id, { seq, id, expiresAt: time + command.seconds * 1_000, parts, end: null });
        return null;
      }
      case 'capture': {
        const hold = holds.get(command.holdId);
        if (!hold) return { code: 'hold_not_found' };
        if (hold.end) return { code: hold.end };
        const amount = command.amount ?? reserved(hold);
        const beyond = amount - reserved(hold);
        if (beyond > 0 && !command.beyond) {
          return { code: 'capture_exceeds_hold', held: reserved(hold), required: amount };
        }
        const shortage = beyond > 0 ? findShortage(beyond) : null;
        if (shortage) return shortage;
        seq += 1;
        let left = amount;
        const spent: Part[] = [];
        const back: Part[] = [];
        for (const part of hold.parts) {
          const captured = Math.min(left, part.amount);
          left -= captured;
          if (captured > 0) spent.push({ lot: part.lot, amount: captured });
          if (captured < part.amount) back.push({ lot: part.lot, amount: part.amount - captured });
        }
        for (const part of take(burnOrder(), Math.max(beyond, 0))) {
          const before = spent.find(({ lot }) => lot === part.lot);
          if (before) before.amount += part.amount;
          else spent.push(part);
        }
        hold.end = 'hold_captured';
        putBack(back);
        taken.set(seq, { parts: spent, given: 0 });
        return null;
      }
      case 'release': {
        const hold = holds.get(command.holdId);
        if (!hold) return { code: 'hold_not_found' };
        if (hold.end) return { code: hold.end };
        seq += 1;
        hold.end = 'hold_released';
        putBack(hold.parts);
        return null;
      }
      case 'reverse':
        return giveBack(command.reversesSeq, command.amount);
      case 'settle_payment':
        return settle(payments.get(command.payment), reversed(command.payment));
      case 'post_due':
        return { code: 'nothing_else_asked' };
    }
  }

  function giveBack(number: number, asked: number | null): Refusal | null {
    const debit = taken.get(number);
    if (!debit) return { code: number > seq ? 'entry_not_found' : 'not_reversible' };
    const all = debit.parts.reduce((sum, { amount }) => sum + amount, 0);
    const reversible = all - debit.given;
    const amount = asked ?? reversible;
    if (amount > reversible || reversible === 0) {
      return { code: 'reversal_exceeds_entry', reversible };
    }
    if (balance() + amount > MAX_BALANCE) return { code: 'balance_limit' };
    seq += 1;
    const stoodIn = new Map<number, number>();
    const credits = debit.parts
      .toReversed()
      .flatMap(({ lot, amount: drawn }) => Array.from({ length: drawn }, () => lot))
      .map((lot) => {
        const count = (stoodIn.get(lot) ?? 0) + 1;
        stoodIn.set(lot, count);
        return count <= clawedElsewhere(lot) ? null : lot;
      });
    const own = credits.slice(debit.given, debit.given + amount);
    debit.given += amount;
    const back = own.slice(amount - repay(amount));
    // All find their place before any of them is put there.
    const open = new Set(openLots());
    const places = back.map((lot) => (lot === null ? null : placeOf(lot, open)));
    for (const place of places) if (place) place.free += 1;
    const homeless = places.filter((place) => place === null).length;
    if (homeless > 0) bring(homeless, { category: 'purchase', priority: 0, expiresAt: null });
    return null;
  }

  /** How many credits of that lot's grants were taken from other lots, or owed. */
  function clawedElsewhere(number: number): number {
    return [...payments.values()]
      .flat()
      .filter((granted) => granted.lots.has(number))
      .reduce((sum, { elsewhere }) => sum + elsewhere, 0);
  }

  /** Where a credit of that lot goes back to, which is then open; null for none of the old lots. */
  function placeOf(number: number, open: Set<Lot>): Lot | null {
    const lot = find(number);
    if (!lot) return null;
    if (open.has(lot)) return lot;
    if (open.size < limits.openLots) {
      open.add(lot);
      return lot;
    }
    const equal = [...open].filter((one) => same(one, lot));
    return equal.toSorted((a, b) => b.seq - a.seq)[0] ?? null;
  }

  function settle(granted: readonly Granted[] | undefined, part: number): Refusal | null {
    if (!granted) return { code: 'payment_not_granted' };
    const all = granted.reduce((sum, { amount }) => sum + amount, 0);
    const targets = granted.map(({ amount }) => Math.floor(amount * part));
    const byRemainder = granted
      .map(({ amount }, i) => ({ i, rest: amount * part - Math.floor(amount * part) }))
      .sort((a, b) => b.rest - a.rest || a.i - b.i);
    let missing = Math.floor(all * part) - targets.reduce((sum, target) => sum + target, 0);
    for (const { i } of byRemainder) {
      if (missing-- > 0) targets[i] = (targets[i] ?? 0) + 1;
    }
    const changes = granted.map((one, i) => ({ one, by: (targets[i] ?? 0) - one.clawedBack }));
    const back = changes.reduce((sum, { by }) => sum - by, 0);
    if (balance() + back > MAX_BALANCE) return { code: 'balance_limit' };
    for (const { one, by } of changes.filter((change) => change.by < 0)) move(one, by);
    for (const { one, by } of changes.filter((change) => change.by > 0)) move(one, by);
    return null;
  }

  function move(granted: Granted, change: number): void {
    granted.clawedBack += change;
    if (change > 0) {
      seq += 1;
      const own = take(
        lots.filter((lot) => granted.lots.has(lot.seq)),
        change,
      ).reduce((sum, { amount }) => sum + amount, 0);
      const others = take(burnOrder(), change - own).reduce((sum, { amount }) => sum + amount, 0);
      debt += change - own - others;
      granted.elsewhere += change - own;
    }
    if (change < 0) {
      const returned = Math.min(-change, granted.elsewhere);
      granted.elsewhere -= returned;
      const elsewhere = granted.terms.expiresAt === null ? 0 : returned;
      if (elsewhere > 0) {
        seq += 1;
        bring(elsewhere, { ...granted.terms, expiresAt: null });
      }
      if (-change > elsewhere) {
        seq += 1;
        const lot = bring(-change - elsewhere, granted.terms);
        if (lot !== null) granted.lots.add(lot);
      }
    }
  }

  return {
    carryOut,
    postDue,
    /** All that an account is, but for who owns it. */
    state: () => ({
      ...{ seq, debt, held: held(), balance: balance() },
      lots: openLots()
        .map((lot) => ({ ...lot }))
        .sort((a, b) => a.seq - b.seq),
      holds: openHolds().map(({ end, parts, ...hold }) => ({ ...hold, parts: [...parts] })),
    }),
    broughtTo: (number: number) => brought.get(number) ?? null,
    /** What a caller could have been told so far, to ask for something that is there. */
    known: () => ({
      ...{ seq, available: available(), balance: balance() },
      open: openHolds().map((hold) => ({ id: hold.id, held: reserved(hold) })),
      over: [...holds.values()].filter(({ end }) => end !== null).map(({ id }) => id),
      taken: [...taken].map(([number, { parts, given }]) => ({
        seq: number,
        left: parts.reduce((sum, { amount }) => sum + amount, 0) - given,
      })),
      payments: [...payments.keys()],
    }),
    /** When something will next happen by itself; null for never. */
    nextDue(): number | null {
      const losing = lots.filter((lot) => lot.free > 0).flatMap((lot) => lot.expiresAt ?? []);
      const times = [...losing, ...openHolds().map(({ expiresAt }) => expiresAt)];
      return times.length > 0 ? Math.min(...times) : null;
    },
  };
}

function same(a: Omit<Lot, 'seq' | 'free'>, b: Omit<Lot, 'seq' | 'free'>): boolean {
  return a.category === b.category && a.priority === b.priority && a.expiresAt === b.expiresAt;
}
