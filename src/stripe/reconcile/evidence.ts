import type { Pool } from 'pg';
import { type ClawBack, readClawBacks } from '../../ledger/read/claw-backs.ts';
import type { State } from '../inbox/verdicts.ts';
import { PAYING } from './event-types.ts';

/** What is known here of a payment that Stripe has. */
export interface PaymentEvidence {
  readonly recorded: boolean;
  /** Whether a run before could not look at it, since Stripe had no answer. */
  readonly unseen: boolean;
  /** The event that should have brought it; null when none arrived. */
  readonly event: { readonly state: State; readonly reason: string | null } | null;
}

/** A refund, dispute or credit note on file. */
export interface FiledEvidence {
  readonly amount: number;
  readonly currency: string;
  readonly live: boolean;
  readonly status: string;
}

/** A payment on record, by one of its names. */
interface NamedPayment {
  /** The grant key. */
  readonly payment: string;
  /** Null when it granted nothing. */
  readonly user: string | null;
}

/** A payment that granted. */
export interface GrantEvidence {
  /** The grant key. */
  readonly payment: string;
  readonly user: string;
  readonly amount: number;
  readonly currency: string;
  /** What it granted; null for grants of releases that did not note it. */
  readonly credits: number | null;
  readonly when: Date;
}

/** A payment on record. */
export interface RecordedPayment {
  /** The grant key. */
  readonly payment: string;
  readonly granted: boolean;
  /** Whether refunds, disputes or credit notes about it are on file. */
  readonly reversed: boolean;
  /** When Stripe was last asked whether it is paid, or first listed it as paid; null: not yet. */
  readonly askedAt: Date | null;
}

/** How many rows are read at once. */
const BATCH = 500;

/** Where a row stands in the order in which it is read; the moment as exact as Postgres tells it. */
interface Place {
  readonly moment: string;
  readonly id: string;
}

/** The SQL that tells what is known here, of what Stripe tells. It changes nothing. */
export type Evidence = ReturnType<typeof createEvidence>;

export function createEvidence(pool: Pool) {
  /** Which of these events the inbox has. */
  async function eventsStored(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const { rows } = await pool.query<{ id: string }>(
      'SELECT id FROM stripe_events WHERE id = ANY($1::text[])',
      [ids],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** By session or invoice id. */
  async function payments(keys: readonly string[]): Promise<ReadonlyMap<string, PaymentEvidence>> {
    interface Row {
      key: string;
      recorded: boolean;
      unseen: boolean;
      state: State | null;
      reason: string | null;
    }
    const { rows } = await pool.query<Row>(
      `SELECT asked.key, p.payment IS NOT NULL AS recorded, e.state, e.reason,
              EXISTS (SELECT
                        FROM stripe_findings
                       WHERE object = asked.key AND code = 'unanswered') AS unseen
         FROM unnest($1::text[]) AS asked (key)
         LEFT JOIN stripe_payment_aliases a ON a.alias = asked.key
         LEFT JOIN stripe_payments p ON p.payment = a.payment
         LEFT JOIN LATERAL (SELECT state, reason
                              FROM stripe_events
                             WHERE object_id = asked.key AND type = ANY($2::text[])
                             ORDER BY state = 'parked' DESC, created DESC
                             LIMIT 1) e ON true`,
      [keys, PAYING],
    );
    return new Map(
      rows.map(({ key, recorded, unseen, state, reason }) => [
        key,
        { recorded, unseen, event: state && { state, reason } },
      ]),
    );
  }

  async function filed(ids: readonly string[]): Promise<ReadonlyMap<string, FiledEvidence>> {
    const { rows } = await pool.query<FiledEvidence & { id: string }>(
      `SELECT id, amount, currency, live, status
         FROM stripe_reversals
        WHERE id = ANY($1::text[])`,
      [ids],
    );
    return new Map(rows.map((row) => [row.id, row]));
  }

  /** The payments on record that go by any of these names, and to whom they were granted. */
  async function named(names: readonly string[]): Promise<readonly NamedPayment[]> {
    const { rows } = await pool.query<NamedPayment>(
      `SELECT DISTINCT p.payment, p.user_id AS user
         FROM unnest($1::text[]) AS name
        CROSS JOIN LATERAL payments_sharing(name) AS key
         JOIN stripe_payments p ON p.payment = key
        ORDER BY p.payment`,
      [names],
    );
    return rows;
  }

  /** The user whom a payment was granted to, by any of its names. */
  async function userOf(names: readonly string[]): Promise<string | null> {
    return (await named(names)).find(({ user }) => user !== null)?.user ?? null;
  }

  /** Rows in batches, each of which begins where the one before ended: so each is a short query. */
  async function* read<Row>(
    query: string,
    since: Date,
  ): AsyncGenerator<readonly Row[], void, undefined> {
    let place: Place = { moment: since.toISOString(), id: '' };
    for (;;) {
      const { rows } = await pool.query<Row & Place>(query, [place.moment, place.id, BATCH]);
      yield rows;
      const last = rows.at(-1);
      if (!last || rows.length < BATCH) return;
      place = last;
    }
  }

  /**
   * The payments of refunds, disputes and credit notes of which something became known since, and
   * those that share a payment intent with them: what a note says of one changes the others' parts.
   */
  async function* reversedSince(since: Date): AsyncGenerator<readonly string[], void, undefined> {
    for await (const rows of read<{ payments: readonly string[] }>(REVERSED_SINCE, since)) {
      yield rows.flatMap(({ payments }) => payments);
    }
  }

  /** The payments that were recorded since. */
  const recordedSince = (since: Date) => read<RecordedPayment>(RECORDED_SINCE, since);

  /** What this payment granted; null when it granted nothing. */
  async function grantOf(payment: string): Promise<GrantEvidence | null> {
    const { rows } = await pool.query<GrantEvidence>(GRANTED, [payment]);
    return rows[0] ?? null;
  }

  /** How much is clawed back of each of these payments, and should be, where these differ. */
  async function unsettled(keys: readonly string[]): Promise<readonly ClawBack[]> {
    const clawBacks = await readClawBacks(pool, keys);
    return clawBacks.filter(({ settled }) => !settled);
  }

  return {
    ...{ eventsStored, payments, filed, named, userOf },
    ...{ reversedSince, recordedSince, unsettled, grantOf },
  };
}

const REVERSED_SINCE = `
         SELECT greatest(r.recorded_at, r.decided_at, r.asked_at)::text AS moment, r.id,
                ARRAY(SELECT key
                        FROM payments_sharing(r.payment_name) AS key
                       UNION
                      SELECT payments_sharing(name)
                        FROM payments_sharing(r.payment_name) AS key
                       CROSS JOIN LATERAL shared_names_of(key) AS name) AS payments
           FROM stripe_reversals r
          WHERE (greatest(r.recorded_at, r.decided_at, r.asked_at), r.id) > ($1::timestamptz, $2)
          ORDER BY greatest(r.recorded_at, r.decided_at, r.asked_at), r.id
          LIMIT $3`;

const RECORDED_SINCE = `
         SELECT p.recorded_at::text AS moment, p.payment AS id, p.payment,
                p.outcome = 'granted' AS granted, p.asked_at AS "askedAt",
                EXISTS (SELECT
                          FROM stripe_payment_aliases a
                          JOIN stripe_reversals r ON r.payment_name = a.alias
                         WHERE a.payment = p.payment)
                OR EXISTS (SELECT
                             FROM shared_names_of(p.payment) AS name
                             JOIN stripe_reversals r ON r.payment_name = name) AS reversed
           FROM stripe_payments p
          WHERE (p.recorded_at, p.payment) > ($1::timestamptz, $2)
          ORDER BY p.recorded_at, p.payment
          LIMIT $3`;

const GRANTED = `
         SELECT p.payment, p.user_id AS user, p.amount_paid AS amount, p.currency,
                p.recorded_at AS when,
                (SELECT sum(l.delta)::bigint
                   FROM credit_ledger l
                  WHERE l.payment = p.payment
                    AND l.kind NOT IN ('clawback', 'reinstatement')) AS credits
           FROM stripe_payments p
          WHERE p.payment = $1 AND p.outcome = 'granted'`;
