import fc from 'fast-check';
import type { Command } from '../../src/ledger/core/command.ts';
import type { Actor, Category, Note } from '../../src/ledger/core/entry.ts';
import { capture, debit, grant, hold, lot, release, reverse, settlePayment } from './commands.ts';
import { DAY } from './life.ts';
import type { createNaiveAccount } from './naive-account.ts';

/** What callers of an account can have been told so far. */
export type Known = ReturnType<ReturnType<typeof createNaiveAccount>['known']>;

/** How many credits, measured by the most that there are; a share of them is nonsense. */
interface HowMany {
  readonly of: 'some' | 'all' | 'more' | 'any';
  readonly n: number;
}

/** One of what the account has, of what it had, or of what it never had. */
interface Which {
  readonly of: 'open' | 'over' | 'unheard';
  readonly nth: number;
}

interface LotAsk {
  readonly category: Category;
  readonly amount: number;
  readonly priority: number;
  /** In how many days, to the same moment of a day, so that terms are often equal; null for never. */
  readonly days: number | null;
}

/**
 * What somebody asks for in terms of what the account has by then, so that random asks hit: a debit
 * is affordable by a credit or lacks one, a capture names a hold that is open.
 */
export type Ask = (
  | { readonly do: 'grant'; readonly lots: readonly LotAsk[]; readonly paid: Which | null }
  | { readonly do: 'debit'; readonly amount: HowMany }
  | {
      readonly do: 'hold';
      readonly name: Which;
      readonly amount: HowMany;
      readonly hours: number;
    }
  | {
      readonly do: 'capture';
      readonly name: Which;
      readonly amount: HowMany | null;
      readonly beyond: boolean;
    }
  | { readonly do: 'release'; readonly name: Which }
  | { readonly do: 'reverse'; readonly taken: Which; readonly amount: HowMany | null }
  | { readonly do: 'settle'; readonly payment: Which }
) & { readonly caller: Caller };

interface Caller {
  readonly actor: Actor;
  readonly isKeyed: boolean;
  readonly isTalkative: boolean;
}

/** How time goes on: by hours, a few of them backwards, or to the next thing that is due. */
export type Wait =
  | { readonly until: 'later'; readonly hours: number }
  | { readonly until: 'due' | 'almost due' };

const howMany: fc.Arbitrary<HowMany> = fc.record({
  of: fc.constantFrom('some', 'some', 'some', 'some', 'all', 'more', 'any'),
  n: fc.nat(29),
});
const which: fc.Arbitrary<Which> = fc.record({
  of: fc.constantFrom('open', 'open', 'open', 'open', 'open', 'over', 'unheard'),
  nth: fc.nat(9),
});
const lotAsk: fc.Arbitrary<LotAsk> = fc.record({
  category: fc.constantFrom('purchase', 'purchase', 'included', 'bonus', 'adjustment'),
  amount: fc.integer({ min: 1, max: 40 }),
  priority: fc.constantFrom(0, 0, 0, 0, 5, -1),
  days: fc.constantFrom(null, null, null, 0, 1, 1, 2, 5),
});
const caller: fc.Arbitrary<Caller> = fc.record({
  actor: fc.constantFrom<Actor>('user', 'key:test', 'key:test', 'system', 'operator:ann'),
  isKeyed: fc.boolean(),
  isTalkative: fc.boolean(),
});

export const ask: fc.Arbitrary<Ask> = fc.oneof(
  {
    arbitrary: fc.record({
      ...{ do: fc.constant('grant' as const), caller },
      lots: fc.array(lotAsk, { minLength: 1, maxLength: 2 }),
      paid: fc.option(
        fc.record({
          of: fc.constantFrom<Which['of']>('unheard', 'unheard', 'unheard', 'open'),
          nth: fc.nat(9),
        }),
      ),
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({ do: fc.constant('debit' as const), caller, amount: howMany }),
    weight: 4,
  },
  {
    arbitrary: fc.record({
      ...{ do: fc.constant('hold' as const), caller, amount: howMany },
      name: fc.record({
        of: fc.constantFrom<Which['of']>(
          'unheard',
          'unheard',
          'unheard',
          'unheard',
          'open',
          'over',
        ),
        nth: fc.nat(9),
      }),
      hours: fc.integer({ min: 1, max: 72 }),
    }),
    weight: 4,
  },
  {
    arbitrary: fc.record({
      ...{ do: fc.constant('capture' as const), caller, name: which },
      ...{ amount: fc.option(howMany, { freq: 3 }), beyond: fc.boolean() },
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({ do: fc.constant('release' as const), caller, name: which }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      ...{ do: fc.constant('reverse' as const), caller, taken: which },
      amount: fc.option(howMany, { freq: 2 }),
    }),
    weight: 3,
  },
  fc.record({ do: fc.constant('settle' as const), caller, payment: which }),
);

export const wait: fc.Arbitrary<Wait> = fc.oneof(
  {
    arbitrary: fc.record({
      until: fc.constant('later' as const),
      hours: fc.constantFrom(1, 3, 8, 30, 60, -1, -5),
    }),
    weight: 2,
  },
  fc.record({ until: fc.constantFrom('due' as const, 'almost due' as const) }),
);

export interface Asked {
  readonly userId: string;
  /** In milliseconds since 1970; what expires does so whole days from `dayOne` on. */
  readonly now: number;
  readonly dayOne: number;
  /** Makes the names of this ask different from those of all others. */
  readonly number: number | string;
}

/** The command that an ask comes to, by what the account has. */
export function commandOf(ask: Ask, known: Known, asked: Asked): Command {
  const { userId, number } = asked;
  const common = commonOf(ask.caller, number);
  switch (ask.do) {
    case 'grant': {
      const today = Math.floor((asked.now - asked.dayOne) / DAY);
      const [first = lot(1), ...rest] = ask.lots.map(({ days, ...more }) => {
        const expiresAt = days === null ? null : asked.dayOne + (today + days) * DAY;
        return lot(more.amount, { ...more, ...common.note, expiresAt });
      });
      const old = ask.paid?.of === 'open' ? nth(known.payments, ask.paid) : undefined;
      const grantKey = ask.paid && (old ?? `cs_${number}`);
      return grant(userId, 1, { ...common.caller, grants: [first, ...rest], grantKey });
    }
    case 'debit':
      return debit(userId, amountOf(ask.amount, known.available), {
        ...{ ...common.caller, ...common.note, ...common.operation },
      });
    case 'hold':
      return hold(userId, nameOf(ask.name, known, number), amountOf(ask.amount, known.available), {
        ...{ ...common.caller, ...common.note, ...common.operation },
        // Never to the moment at which anything else happens.
        seconds: ask.hours * 3_600 + 1_000,
      });
    case 'capture': {
      const name = nameOf(ask.name, known, number);
      const held = known.open.find(({ id }) => id === name)?.held ?? 0;
      const most = ask.beyond && ask.amount?.of === 'more' ? held + known.available : held;
      const amount = ask.amount && amountOf(ask.amount, most);
      return capture(userId, name, amount, {
        ...{ ...common.caller, ...common.note },
        beyond: ask.beyond,
      });
    }
    case 'release':
      return release(userId, nameOf(ask.name, known, number), {
        ...common.caller,
        ...common.note,
      });
    case 'reverse':
      return reverseOf(ask, known, userId, { ...common.caller, ...common.note });
    case 'settle':
      return settlePayment(
        userId,
        (ask.payment.of !== 'unheard' && nth(known.payments, ask.payment)) || `cs_${number}`,
        { ...common.caller, ...common.note },
      );
  }
}

/** The newest first, because what is old has mostly been given back. */
function reverseOf(
  { taken, amount }: Extract<Ask, { do: 'reverse' }>,
  known: Known,
  userId: string,
  common: Parameters<typeof reverse>[3],
): Command {
  const left = known.taken.filter((one) => one.left > 0).toReversed();
  const found =
    taken.of === 'open'
      ? left[taken.nth % Math.max(Math.min(left.length, 4), 1)]
      : taken.of === 'over'
        ? known.taken.find((one) => one.left === 0)
        : undefined;
  const nonsense = taken.nth < Math.min(known.seq, 6) ? 1 + taken.nth : known.seq + 1_000;
  return reverse(
    userId,
    found?.seq ?? nonsense,
    amount && amountOf(amount, found?.left ?? 9),
    common,
  );
}

/** What says who asks, and what else is told of it; a system's command has always a key. */
function commonOf({ actor, isKeyed, isTalkative }: Caller, number: number | string) {
  const idempotencyKey = isKeyed || actor === 'system' ? `k${number}` : null;
  const note: Note = isTalkative
    ? { reason: 'asked for', ref: `ref ${number}`, metadata: { number: String(number) } }
    : { reason: null, ref: null, metadata: null };
  const operation = isTalkative ? { name: 'render', quantity: '0.5' } : null;
  return { caller: { actor, idempotencyKey }, note, operation: { operation } };
}

function nameOf({ of, nth }: Which, { open, over }: Known, number: number | string): string {
  const among = { open: open.map(({ id }) => id), over, unheard: [] }[of];
  return among[nth % Math.max(among.length, 1)] ?? `h${number}`;
}

function nth<Item>(items: readonly Item[], { nth }: Which): Item | undefined {
  return items.at(-1 - (nth % Math.max(items.length, 1)));
}

/** What is there is spent to the last credit only where it is little: one after the other. */
function amountOf({ of, n }: HowMany, most: number): number {
  const spendable = most > 1_000 ? 40 : Math.max(most, 0);
  switch (of) {
    case 'some':
      return 1 + (n % Math.max(spendable, 1));
    case 'all':
      return Math.max(spendable, 1);
    case 'more':
      return spendable + 1 + (n % 3);
    case 'any':
      return n + 1;
  }
}
