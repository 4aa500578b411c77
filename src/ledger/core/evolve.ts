import { type Account, type Hold, type Lot, sumOf } from './account.ts';
import type { Category, Draw, Entry, Terms } from './entry.ts';

type Holdings = Pick<Account, 'debt' | 'lots' | 'holds'>;

/** The account after `entry`. Folding it over a history from entry 1 is the audit. */
export function evolve(account: Account, entry: Entry): Account {
  const { debt, lots, holds } = holdingsAfter(account, entry);
  const reserved =
    holds === account.holds ? account.held : sumOf(holds.flatMap(({ parts }) => parts));
  return {
    userId: account.userId,
    seq: entry.seq,
    balance: account.balance + entry.delta,
    held: reserved,
    debt,
    lots: openOnly(lots, holds),
    holds,
    updatedAt: entry.createdAt,
  };
}

function holdingsAfter(account: Account, entry: Entry): Holdings {
  switch (entry.kind) {
    case 'debit':
    case 'expiry':
    case 'clawback':
      return takeOut(account, entry);
    case 'hold':
      return reserve(account, entry);
    case 'capture':
    case 'release':
      return endHold(account, entry);
    case 'reversal':
      return giveBack(account, entry);
    default:
      return bringIn(account, entry);
  }
}

/** What its draws do not cover becomes debt; only a claw-back takes more than there is. */
function takeOut({ debt, lots, holds }: Account, { delta, draws }: Entry): Holdings {
  const drawn = draws ?? [];
  return { debt: debt - delta - sumOf(drawn), lots: draw(lots, drawn), holds };
}

function reserve({ debt, lots, holds }: Account, entry: Entry): Holdings {
  const { seq, holdId, expiresAt, draws } = entry;
  const hold: Hold = { seq, id: holdId ?? '', expiresAt: expiresAt ?? 0, parts: draws ?? [] };
  return { debt, lots: draw(lots, hold.parts), holds: [...holds, hold] };
}

/**
 * A capture takes its draws from the hold's parts, and what exceeds them from the free credits of
 * the same lots; what is left of the parts goes back, debt first.
 */
function endHold(account: Account, { holdId, draws }: Entry): Holdings {
  const hold = account.holds.find(({ id }) => id === holdId);
  const taken = new Map((draws ?? []).map(({ lot, amount }) => [lot, amount]));
  const rest: Draw[] = [];
  for (const { lot, amount } of hold?.parts ?? []) {
    const captured = Math.min(amount, taken.get(lot) ?? 0);
    taken.set(lot, (taken.get(lot) ?? 0) - captured);
    if (captured < amount) rest.push({ lot, amount: amount - captured });
  }
  const beyond = [...taken].map(([lot, amount]) => ({ lot, amount }));
  const holds = account.holds.filter((one) => one !== hold);
  return putBack({ ...account, lots: draw(account.lots, beyond), holds }, rest);
}

/** Pays the debt with the first of it; the rest goes to its lots. */
function putBack({ debt, lots, holds }: Holdings, parts: readonly Draw[]): Holdings {
  let owed = debt;
  const back = parts.map(({ lot, amount }) => {
    const repaid = Math.min(owed, amount);
    owed -= repaid;
    return { lot, amount: repaid - amount };
  });
  return { debt: owed, lots: draw(lots, back), holds };
}

/** What pays no debt goes to the lots that its draws name, and the rest into a lot of its own. */
function giveBack({ debt, lots, holds }: Account, entry: Entry): Holdings {
  const back = entry.draws ?? [];
  const added = draw(
    lots,
    back.map(({ lot, amount }) => ({ lot, amount: -amount })),
  );
  const reopened = back.flatMap(({ lot, amount, reopens }) =>
    reopens ? [{ seq: lot, ...reopens, free: amount }] : [],
  );
  const inOrder = [...added, ...reopened].toSorted((a, b) => a.seq - b.seq);
  const rest = { ...entry, delta: entry.delta - sumOf(back) };
  return bringIn({ debt, lots: inOrder, holds }, rest);
}

function bringIn({ debt, lots, holds }: Holdings, entry: Entry): Holdings {
  const repaid = Math.min(debt, entry.delta);
  return { debt: debt - repaid, lots: fill(lots, entry, entry.delta - repaid), holds };
}

function fill(lots: readonly Lot[], entry: Entry, amount: number): readonly Lot[] {
  if (entry.lot === null) return lots;
  if (entry.lot === entry.seq)
    return [...lots, { seq: entry.seq, ...termsOf(entry), free: amount }];
  return lots.map((lot) => (lot.seq === entry.lot ? { ...lot, free: lot.free + amount } : lot));
}

/** The terms of the credits that an entry brought in. */
export function termsOf({ kind, category, priority, expiresAt }: Entry): Terms {
  return { category: category ?? categoryOf(kind), priority: priority ?? 0, expiresAt };
}

function categoryOf(kind: Entry['kind']): Category {
  switch (kind) {
    case 'purchase':
    case 'included':
    case 'bonus':
    case 'adjustment':
      return kind;
    default:
      throw new Error(`an entry of kind ${kind} brings no credits in`);
  }
}

/** The lots without what is drawn; a negative amount adds to one. */
function draw(lots: readonly Lot[], draws: readonly Draw[]): readonly Lot[] {
  const taken = new Map(draws.map(({ lot, amount }) => [lot, amount]));
  return lots.map((lot) => ({ ...lot, free: lot.free - (taken.get(lot.seq) ?? 0) }));
}

/** A lot stays open while some of it is free or reserved. */
function openOnly(lots: readonly Lot[], holds: readonly Hold[]): readonly Lot[] {
  if (lots.every(({ free }) => free !== 0)) return lots;
  const reserved = new Set(holds.flatMap(({ parts }) => parts.map(({ lot }) => lot)));
  return lots.filter(({ seq, free }) => free !== 0 || reserved.has(seq));
}
