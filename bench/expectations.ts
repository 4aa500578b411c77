import { median, ratio, type Sample, series } from './figures.ts';
import { BATCH_ITEMS } from './scenarios.ts';

/** A figure that was promised, and how to work it out from the samples. */
export interface Expectation {
  readonly claim: string;
  readonly unit: string;
  readonly bound: readonly ['at least' | 'at most' | 'under', number];
  readonly measure: (samples: readonly Sample[]) => number;
}

const purser = (samples: readonly Sample[], scenario: string, measure: 'rate' | 'p99') =>
  series(samples, scenario, 'purser', measure);
const classic = (samples: readonly Sample[], scenario: string, measure: 'rate') =>
  series(samples, scenario, 'classic', measure);

export const EXPECTATIONS: readonly Expectation[] = [
  {
    claim: 'one hot account: Purser ÷ classic',
    unit: '×',
    bound: ['at least', 20],
    measure: (s) => ratio(purser(s, 'hot', 'rate'), classic(s, 'hot', 'rate')),
  },
  {
    claim: 'one hot account (on a quiet machine)',
    unit: ' debits/s',
    bound: ['at least', 15_000],
    measure: (s) => median(purser(s, 'hot', 'rate')),
  },
  {
    claim: '10,000 accounts: Purser ÷ classic',
    unit: '×',
    bound: ['at least', 5],
    measure: (s) => ratio(purser(s, 'spread', 'rate'), classic(s, 'spread', 'rate')),
  },
  {
    claim: 'Purser: a million entries ÷ ten entries',
    unit: '×',
    bound: ['at least', 0.9],
    measure: (s) => ratio(purser(s, 'million', 'rate'), purser(s, 'hot', 'rate')),
  },
  {
    claim: 'one hot account: 3 open lots ÷ one',
    unit: '×',
    bound: ['at least', 0.85],
    measure: (s) => ratio(purser(s, 'lots', 'rate'), purser(s, 'hot', 'rate')),
  },
  {
    // Two requests for each.
    claim: '10,000 accounts: holds with their captures ÷ debits',
    unit: '×',
    bound: ['at least', 0.4],
    measure: (s) => ratio(purser(s, 'holds', 'rate'), purser(s, 'spread', 'rate')) / 2,
  },
  {
    claim: `10,000 accounts: debits in batches of ${BATCH_ITEMS} ÷ single debits`,
    unit: '×',
    bound: ['at least', 3],
    measure: (s) => ratio(purser(s, 'batch', 'rate'), purser(s, 'spread', 'rate')) * BATCH_ITEMS,
  },
  {
    claim: 'the same of one caller, on one connection',
    unit: '×',
    bound: ['at least', 3],
    measure: (s) =>
      ratio(purser(s, 'caller-batch', 'rate'), purser(s, 'caller', 'rate')) * BATCH_ITEMS,
  },
  {
    claim: 'GET balance at 64 connections, 10,000 accounts',
    unit: ' requests/s',
    bound: ['at least', 20_000],
    measure: (s) => median(purser(s, 'balance', 'rate')),
  },
  {
    claim: 'p99 at 64 connections, one hot account',
    unit: ' ms',
    bound: ['under', 20],
    measure: (s) => median(purser(s, 'hot', 'p99')),
  },
  {
    claim: 'p99 at 64 connections, 10,000 accounts',
    unit: ' ms',
    bound: ['under', 20],
    measure: (s) => median(purser(s, 'spread', 'p99')),
  },
  {
    // On one connection the mean latency is what the rate leaves for each.
    claim: 'one unloaded debit, mean latency: Purser ÷ classic',
    unit: '×',
    bound: ['at most', 1.5],
    measure: (s) => ratio(classic(s, 'single', 'rate'), purser(s, 'single', 'rate')),
  },
  {
    claim: 'Stripe’s deliveries, each of another customer',
    unit: ' grants/s',
    bound: ['at least', 2_000],
    measure: (s) => median(purser(s, 'webhook', 'rate')),
  },
  {
    claim: 'p99 of the deliveries in a burst of 10,000 renewals',
    unit: ' ms',
    bound: ['under', 5_000],
    measure: (s) => median(purser(s, 'renewals', 'p99')),
  },
];

/** Whether `value` keeps to the bound; null when it was not measured. */
export function isMet({ bound: [direction, limit] }: Expectation, value: number): boolean | null {
  if (Number.isNaN(value)) return null;
  if (direction === 'at least') return value >= limit;
  return direction === 'at most' ? value <= limit : value < limit;
}
