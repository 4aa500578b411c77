import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Sample } from './figures.ts';
import type { DeliveryLoad, DeliveryResult } from './load-deliveries.ts';
import { CREDITS } from './renewals.ts';
import type { Contender } from './sampling.ts';

/** A situation of Stripe's webhook to measure: so many deliveries, each of another customer. */
export interface DeliveryScenario {
  readonly name: string;
  readonly title: string;
  /** Deliveries that are under way at once. */
  readonly connections: number;
  /** Each of another customer. */
  readonly renewals: number;
  /** Whether each comes with all that Stripe tells of it, or as its `invoice.paid` alone. */
  readonly withPayments: boolean;
}

export const DELIVERY_SCENARIOS: readonly DeliveryScenario[] = [
  {
    ...{ name: 'webhook', title: 'steady renewals' },
    ...{ connections: 64, renewals: 10_000, withPayments: false },
  },
  {
    ...{ name: 'payments', title: 'steady renewals with their payments' },
    ...{ connections: 64, renewals: 10_000, withPayments: true },
  },
  // More at once than deliveries attempt their events themselves: the worker drains the rest.
  {
    ...{ name: 'renewals', title: 'a burst of renewals' },
    ...{ connections: 1_000, renewals: 10_000, withPayments: false },
  },
];

export interface DeliverySampler {
  /**
   * Delivers once and waits until every event is done. The rate is that of grants: from the first
   * request until the last of the events is done. Throws unless each customer got the credits of one
   * renewal, and nothing else.
   */
  readonly take: (scenario: DeliveryScenario, round: number) => Promise<Sample>;
}

const PROGRAM = fileURLToPath(new URL('load-deliveries.ts', import.meta.url));
const DRAIN_TIMEOUT = 60_000;

export function createDeliverySampler(
  { server, database: { client } }: Contender,
  secret: string,
): DeliverySampler {
  return {
    async take({ name, connections, renewals, withPayments }, round) {
      const sample = `${name}${round}`;
      const users = Array.from({ length: renewals }, (_, i) => `${sample}-${i}`);
      // They have an account already: a renewal is never the first payment.
      await client.query('INSERT INTO stripe_customers (user_id) SELECT unnest($1::text[])', [
        users,
      ]);
      await client.query('VACUUM ANALYZE stripe_customers');
      const port = Number(new URL(server.origin).port);
      const result = await run({ port, secret, connections, sample, users, withPayments });
      const deliveries = result.accepted + result.refused;
      if (result.refused > 0) {
        throw new Error(`${sample}: ${result.refused} of ${deliveries} deliveries were refused`);
      }
      const answered = performance.now();
      await drained(sample, deliveries);
      const seconds = result.seconds + (performance.now() - answered) / 1000;
      await check(sample, renewals);
      const { p50, p99 } = result;
      const rate = renewals / seconds;
      return { scenario: name, variant: 'purser', round, rate, p50, p99, entriesAfter: 1 };
    },
  };

  /** Waits until every event of the sample is done. */
  async function drained(sample: string, deliveries: number): Promise<void> {
    for (const until = Date.now() + DRAIN_TIMEOUT; Date.now() < until; await delay(20)) {
      const { rows } = await client.query(
        `SELECT count(*)::int AS done FROM stripe_events
          WHERE id LIKE 'evt\\_' || $1 || '\\_%' AND state = 'done' AND reason IS NULL`,
        [sample],
      );
      if (rows[0].done === deliveries) return;
    }
    throw new Error(`${sample}: not every event was done in ${DRAIN_TIMEOUT / 1000} s`);
  }

  async function check(sample: string, renewals: number): Promise<void> {
    const { rows } = await client.query(
      `SELECT count(*)::int AS accounts,
              count(*) FILTER (WHERE grants = 1 AND credits = $2)::int AS right
         FROM (SELECT count(*) AS grants, sum(delta) AS credits
                 FROM credit_ledger
                WHERE user_id LIKE $1 || '-%'
                GROUP BY user_id) AS account`,
      [sample, CREDITS],
    );
    const [{ accounts, right }] = rows;
    if (accounts !== renewals || right !== renewals) {
      throw new Error(
        `${sample}: ${renewals} renewals made ${accounts} accounts, of which ${right} hold ` +
          'the credits of one',
      );
    }
  }
}

async function run(load: DeliveryLoad): Promise<DeliveryResult> {
  const child = fork(PROGRAM);
  const told = once(child, 'message');
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the load generator ended with ${code}`);
  });
  child.send(load);
  const [result] = await Promise.race([told, ended]);
  ended.catch(() => {});
  return result as DeliveryResult;
}
