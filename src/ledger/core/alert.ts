import { type Account, available } from './account.ts';
import { isEndedByItself } from './decide/hold.ts';
import type { Entry } from './entry.ts';

/** What the product can be told of an account. */
export const ALERT_TYPES = [
  'credits.granted',
  'credits.low',
  'credits.depleted',
  'credits.expiring',
  'credits.clawed_back',
  'hold.expired',
] as const;
export type AlertType = (typeof ALERT_TYPES)[number];

/** Something that the product wants to be told, written with the entry that caused it. */
export interface Alert {
  readonly userId: string;
  /** The account's newest entry: the one that caused it, or the one before its time came. */
  readonly seq: number;
  readonly type: AlertType;
  /** For lots about to expire: which; each is announced once. */
  readonly lot: number | null;
  /** What is sent; no free text, because that can be erased from the ledger. */
  readonly data: Readonly<Record<string, string | number | null>>;
  /** By the database's clock, in milliseconds since 1970. */
  readonly createdAt: number;
}

/** What there is to tell, beyond what always is. */
export interface AlertRules {
  /** Falling to one of these credits, or below, is `credits.low`. */
  readonly lowCredits: readonly number[];
  /** How long before its expiry a lot is announced, in milliseconds; 0 for never. */
  readonly expiringWithin: number;
}

export const DEFAULT_ALERT_RULES: AlertRules = { lowCredits: [], expiringWithin: 0 };

type Figures = Pick<Account, 'balance' | 'held'>;

/** What entries give to tell, in order, and which lots they put in danger of expiring. */
export function alertsOf(
  before: Account,
  entries: readonly Entry[],
  after: Account,
  rules: AlertRules,
): readonly Alert[] {
  const last = entries.at(-1);
  if (!last) return [];
  const told = entries.flatMap((entry, i) => tellOf(entries[i - 1] ?? before, entry, rules));
  // Plain debits are most, and take no lot closer to its expiry.
  if (entries.every(({ kind }) => kind === 'debit')) return told;
  return [...told, ...expiringAlerts(after, rules, last.createdAt, before)];
}

/**
 * What happened, then which lines the available credits have crossed on the way down: whoever stays
 * below a line hears nothing more until it was crossed upwards.
 */
function tellOf(before: Figures, entry: Entry, rules: AlertRules): readonly Alert[] {
  const tell = (type: AlertType, data: Alert['data'] = {}): Alert => ({
    ...{ userId: entry.userId, seq: entry.seq, type, lot: null, createdAt: entry.createdAt },
    data: { ...figuresOf(entry), ...data },
  });
  const happened = whatHappened(before, entry);
  const crossed = (line: number) => available(before) > line && available(entry) <= line;
  return [
    ...(happened ? [tell(happened.type, happened.data)] : []),
    ...rules.lowCredits.filter(crossed).map((threshold) => tell('credits.low', { threshold })),
    ...(crossed(0) ? [tell('credits.depleted')] : []),
  ];
}

function whatHappened(before: Figures, entry: Entry): Pick<Alert, 'type' | 'data'> | null {
  const { kind, delta, payment, expiresAt } = entry;
  switch (kind) {
    case 'purchase':
    case 'included':
    case 'bonus':
    case 'adjustment':
    case 'reinstatement': {
      const expires_at = expiresAt === null ? null : new Date(expiresAt).toISOString();
      return { type: 'credits.granted', data: { kind, amount: delta, expires_at, payment } };
    }
    case 'clawback':
      return { type: 'credits.clawed_back', data: { amount: -delta, payment } };
    case 'release': {
      if (!isEndedByItself(entry)) return null;
      const data = { hold_id: entry.holdId, amount: before.held - entry.held };
      return { type: 'hold.expired', data };
    }
    default:
      return null;
  }
}

/**
 * The lots that expire soon and had nothing to lose `before`: all of them when it is left out. Some
 * may have been announced already, which only the database knows.
 */
export function expiringAlerts(
  account: Account,
  { expiringWithin }: AlertRules,
  now: number,
  before: Account | null = null,
): readonly Alert[] {
  const known = new Set(before?.lots.filter(({ free }) => free > 0).map(({ seq }) => seq));
  return account.lots.flatMap(({ seq: lot, category, free: amount, expiresAt }) => {
    if (amount === 0 || expiresAt === null || known.has(lot)) return [];
    if (expiresAt - expiringWithin > now || expiresAt <= now || expiringWithin === 0) return [];
    const expires_at = new Date(expiresAt).toISOString();
    const data = { ...figuresOf(account), lot, category, amount, expires_at };
    const { userId, seq } = account;
    return [{ userId, seq, type: 'credits.expiring' as const, lot, data, createdAt: now }];
  });
}

function figuresOf(figures: Pick<Account, 'userId' | 'seq' | 'balance' | 'held'>) {
  const { userId, seq, balance, held } = figures;
  return { user_id: userId, seq, balance, available: available(figures), held };
}
