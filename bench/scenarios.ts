/** The two servers that are compared: the same HTTP server with another ledger behind it. */
export const VARIANTS = ['classic', 'purser'] as const;
export type Variant = (typeof VARIANTS)[number];

/** One situation to measure, for both variants. */
export interface Scenario {
  /** The name on the command line, and the beginning of its users' ids. */
  readonly name: string;
  readonly title: string;
  /** Requests that are under way at once; each connection waits for its answer. */
  readonly connections: number;
  /** The accounts that take turns. */
  readonly accounts: number;
  /** How many entries each account has before the first request. */
  readonly entries: number;
  /** Whether each sample gets accounts of its own, since entries add up from sample to sample. */
  readonly fresh: boolean;
  readonly request: Request;
}

/** What is sent again and again, each time with the token of the next account. */
export interface Request {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** JSON text; null for none. */
  readonly body: string | null;
  /** The commands that the ledger carries out for each: 0 for a read. */
  readonly commands: number;
}

const DEBIT: Request = {
  method: 'POST',
  path: '/api/v1/credits/debit',
  body: JSON.stringify({ delta: 1, reason: 'benchmark' }),
  commands: 1,
};

/** Touches neither ledger, but has the guard know the token afterwards. */
export const HELLO: Request = {
  method: 'GET',
  path: '/api/v1/me/hello',
  body: null,
  commands: 0,
};

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'hot',
    title: 'one account',
    connections: 64,
    accounts: 1,
    entries: 10,
    fresh: true,
    request: DEBIT,
  },
  {
    name: 'spread',
    title: '10,000 accounts',
    connections: 64,
    accounts: 10_000,
    entries: 1,
    fresh: false,
    request: DEBIT,
  },
  {
    name: 'million',
    title: 'one account with a million entries',
    connections: 64,
    accounts: 1,
    entries: 1_000_000,
    fresh: false,
    request: DEBIT,
  },
  {
    name: 'single',
    title: 'one account, one connection',
    connections: 1,
    accounts: 1,
    entries: 10,
    fresh: true,
    request: DEBIT,
  },
];

/** The users of a scenario's sample, by the number of its round. */
export function usersOf({ name, accounts, fresh }: Scenario, round: number): readonly string[] {
  const group = fresh ? `${name}-${round}` : name;
  return Array.from({ length: accounts }, (_, i) => `${group}-${i}`);
}
