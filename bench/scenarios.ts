/** The two servers that are compared: the same HTTP server with another ledger behind it. */
export const VARIANTS = ['classic', 'purser'] as const;
export type Variant = (typeof VARIANTS)[number];

/** One situation to measure. */
export interface Scenario {
  /** The name on the command line, and the beginning of its users' ids. */
  readonly name: string;
  readonly title: string;
  readonly variants: readonly Variant[];
  /** Requests that are under way at once; each connection waits for its answer. */
  readonly connections: number;
  /** The accounts that take turns. */
  readonly accounts: number;
  /** How many entries each account has before the first request, its grants among them. */
  readonly entries: number;
  /** How many of them are grants, each of which opened a lot that is open still. */
  readonly lots: number;
  /** Whether each sample gets accounts of its own, since entries add up from sample to sample. */
  readonly fresh: boolean;
  readonly traffic: Traffic;
}

/** What is sent, in turn and from the beginning again, over all connections. */
export interface Traffic {
  /** Who sends it: each user with a session token of theirs, or a server with one service key. */
  readonly caller: 'user' | 'service';
  /** The commands that the ledger carries out for each request: 0 for a read. */
  readonly commands: number;
  readonly requests: (users: readonly string[], round: number) => readonly Request[];
}

export interface Request {
  readonly method: 'GET' | 'POST';
  /** May hold TURN, as the body may. */
  readonly path: string;
  /** JSON text; null for none. */
  readonly body: string | null;
}

/** Stands for how often all requests were sent before, in as many digits as it has characters. */
export const TURN = '{turn}';

const DEBIT: Request = {
  method: 'POST',
  path: '/api/v1/credits/debit',
  body: JSON.stringify({ delta: 1, reason: 'benchmark' }),
};

/** Touches neither ledger, but has the guard know the token afterwards. */
export const HELLO: Request = { method: 'GET', path: '/api/v1/me/hello', body: null };

const DEBITS: Traffic = {
  caller: 'user',
  commands: 1,
  requests: (users) => users.map(() => DEBIT),
};

const BALANCES: Traffic = {
  caller: 'user',
  commands: 0,
  requests: (users) => users.map(() => ({ ...HELLO, path: '/api/v1/me/credits' })),
};

/** How many holds are opened before the first of them is captured: more than are under way. */
const HOLDS_AHEAD = 250;

const HOLDS: Traffic = {
  caller: 'service',
  commands: 1,
  requests: (users, round) =>
    inGroups(users, HOLDS_AHEAD).flatMap((group) => [
      ...group.map((user) => openHold(user, `${round}-${TURN}`)),
      ...group.map((user) => captureHold(user, `${round}-${TURN}`)),
    ]),
};

const openHold = (user: string, id: string): Request => ({
  method: 'POST',
  path: `/api/v1/users/${user}/holds`,
  body: JSON.stringify({ id, units: 1, expires_in: 3600, reason: 'benchmark' }),
});

const captureHold = (user: string, id: string): Request => ({
  method: 'POST',
  path: `/api/v1/users/${user}/holds/${id}/capture`,
  body: '{}',
});

export const BATCH_ITEMS = 100;

const BATCHES: Traffic = {
  caller: 'service',
  commands: BATCH_ITEMS,
  requests: (users) =>
    inGroups(users, BATCH_ITEMS).map((group) => ({
      method: 'POST',
      path: '/api/v1/debits/batch',
      body: JSON.stringify({
        items: group.map((user_id) => ({ user_id, units: 1, reason: 'benchmark' })),
      }),
    })),
};

function inGroups(users: readonly string[], size: number): readonly (readonly string[])[] {
  const count = Math.ceil(users.length / size);
  return Array.from({ length: count }, (_, i) => users.slice(i * size, (i + 1) * size));
}

const HOT = { connections: 64, accounts: 1, entries: 10, lots: 1, fresh: true, traffic: DEBITS };
const SPREAD = { ...HOT, accounts: 10_000, entries: 1, fresh: false };

export const SCENARIOS: readonly Scenario[] = [
  { ...HOT, name: 'hot', title: 'one account', variants: VARIANTS },
  { ...HOT, name: 'lots', title: 'one account with 3 open lots', variants: ['purser'], lots: 3 },
  { ...SPREAD, name: 'spread', title: '10,000 accounts', variants: VARIANTS },
  {
    ...{ ...SPREAD, name: 'holds', title: '10,000 accounts, hold and capture' },
    ...{ variants: ['purser'], traffic: HOLDS },
  },
  {
    ...{ ...SPREAD, name: 'batch', title: `10,000 accounts, ${BATCH_ITEMS} debits a request` },
    ...{ variants: ['purser'], traffic: BATCHES },
  },
  {
    ...{ ...SPREAD, name: 'balance', title: '10,000 accounts, GET balance' },
    ...{ variants: ['purser'], traffic: BALANCES },
  },
  {
    ...{ ...HOT, name: 'million', title: 'one account with a million entries' },
    ...{ variants: VARIANTS, entries: 1_000_000, fresh: false },
  },
  {
    ...{ ...HOT, name: 'single', title: 'one account, one connection' },
    ...{ variants: VARIANTS, connections: 1 },
  },
  {
    ...{ ...SPREAD, name: 'caller', title: '10,000 accounts, one connection' },
    ...{ variants: ['purser'], connections: 1 },
  },
  {
    ...{ ...SPREAD, name: 'caller-batch', connections: 1, traffic: BATCHES },
    ...{ title: `10,000 accounts, ${BATCH_ITEMS} debits a request, one connection` },
    variants: ['purser'],
  },
];

/** The users of a scenario's sample, by the number of its round. */
export function usersOf({ name, accounts, fresh }: Scenario, round: number): readonly string[] {
  const group = fresh ? `${name}-${round}` : name;
  return Array.from({ length: accounts }, (_, i) => `${group}-${i}`);
}
