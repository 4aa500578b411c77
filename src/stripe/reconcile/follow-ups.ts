import { escapeLiteral, type Pool } from 'pg';
import { ENDED_DISPUTE, PENDING_REFUND } from '../shapes/reversal-shapes.ts';
import { acceptanceOf, FINDING, IS_OPEN, isAccepted, leave } from './acceptances.ts';
import type { Finding, FindingKey, Handled } from './report.ts';

/** A refund or dispute whose end was not told yet. */
export interface Unended {
  readonly id: string;
  readonly kind: 'refund' | 'dispute';
  /** How it names its payment. */
  readonly name: string;
  /** In the currency's smallest unit. */
  readonly amount: number;
  readonly currency: string;
  readonly recordedAt: Date;
}

/** The SQL of what runs look at one by one, in turn, wherever the cursor is. */
export type FollowUps = ReturnType<typeof createFollowUps>;

export function createFollowUps(pool: Pool) {
  /** Findings that were left, those first that were not looked at for longest. */
  async function open(limit: number): Promise<readonly Finding[]> {
    const { rows } = await pool.query<Finding>(
      `SELECT ${FINDING}
         FROM stripe_findings
        WHERE ${IS_OPEN}
        ORDER BY looked_at, object
        LIMIT $1`,
      [limit],
    );
    return rows;
  }

  /** Findings that were accepted while Stripe had no answer; in the same order. */
  async function acceptedUnseen(limit: number): Promise<readonly Finding[]> {
    const { rows } = await pool.query<Finding>(
      `SELECT ${FINDING}
         FROM stripe_findings
        WHERE NOT ${IS_OPEN} AND code = 'unanswered'
        ORDER BY looked_at, object
        LIMIT $1`,
      [limit],
    );
    return rows;
  }

  /** Remembers what could not be repaired. */
  async function keep(handled: Handled): Promise<void> {
    const { kind, code, object, user, amount, currency, credits, when, why, done } = handled;
    await pool.query(
      `INSERT INTO stripe_findings (object, kind, code, user_id, amount, currency, credits,
                                    dated_at, why, done)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           ON CONFLICT (object, kind) DO UPDATE
          SET code = excluded.code, user_id = excluded.user_id, amount = excluded.amount,
              currency = excluded.currency, credits = excluded.credits, why = excluded.why,
              done = excluded.done, looked_at = now(),
              changed = stripe_findings.accepted_at IS NOT NULL`,
      [object, kind, code, user, amount, currency, credits, when, why, done],
    );
  }

  /**
   * Remembers what could not be looked at; of what was left before, that it had its turn.
   * @returns what is remembered
   */
  async function noteUnseen(finding: Finding): Promise<Finding | null> {
    const { kind, code, object, user, amount, currency, credits, when, why } = finding;
    const { rows } = await pool.query<Finding>(
      `INSERT INTO stripe_findings (object, kind, code, user_id, amount, currency, credits,
                                    dated_at, why)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           ON CONFLICT (object, kind) DO UPDATE SET looked_at = now()
    RETURNING ${FINDING}`,
      [object, kind, code, user, amount, currency, credits, when, why],
    );
    return rows[0] ?? null;
  }

  /**
   * Forgets what is in order, also where it was accepted unseen; of what else was accepted, that it
   * had changed.
   */
  async function drop({ object, kind }: FindingKey): Promise<void> {
    const about = [object, kind];
    await pool.query(
      `DELETE FROM stripe_findings
        WHERE object = $1 AND kind = $2
          AND (accepted_at IS NULL OR accepted_code = 'unanswered')`,
      about,
    );
    await pool.query(
      `UPDATE stripe_findings
          SET code = coalesce(accepted_code, ''), amount = accepted_amount,
              credits = accepted_credits, why = accepted_why, changed = false
        WHERE object = $1 AND kind = $2 AND changed`,
      about,
    );
  }

  /**
   * Refunds and disputes whose end was not told yet, those first of which Stripe was not asked for
   * longest: what became of them may be lost, however long ago they were created.
   */
  async function unended(limit: number): Promise<readonly Unended[]> {
    const { rows } = await pool.query<Unended>(
      `SELECT id, kind, payment_name AS name, amount, currency, recorded_at AS "recordedAt"
         FROM stripe_reversals
        WHERE ${IS_UNENDED}
        ORDER BY asked_at NULLS FIRST, recorded_at, id
        LIMIT $1`,
      [limit],
    );
    return rows;
  }

  /** Notes that Stripe was asked about a refund or dispute: the others come first now. */
  async function noteAsked(id: string): Promise<void> {
    await pool.query('UPDATE stripe_reversals SET asked_at = now() WHERE id = $1', [id]);
  }

  /**
   * Payments that granted before, and of which no run has asked Stripe yet or seen them listed as
   * paid: the first ones, and how many there are.
   */
  async function neverAsked(
    before: Date,
    limit: number,
  ): Promise<{ readonly payments: readonly string[]; readonly all: number }> {
    const { rows } = await pool.query<{ payment: string; all: number }>(
      `SELECT payment, count(*) OVER () AS all
         FROM stripe_payments
        WHERE outcome = 'granted' AND asked_at IS NULL AND recorded_at < $1
        ORDER BY recorded_at, payment
        LIMIT $2`,
      [before, limit],
    );
    return { payments: rows.map(({ payment }) => payment), all: rows[0]?.all ?? 0 };
  }

  /** Notes that Stripe was asked about payments, or has listed them as paid. */
  async function notePaymentsAsked(payments: readonly string[]): Promise<void> {
    await pool.query('UPDATE stripe_payments SET asked_at = now() WHERE payment = ANY($1)', [
      payments,
    ]);
  }

  return {
    ...{ open, acceptedUnseen, keep, noteUnseen, drop },
    acceptanceOf: (finding: Finding) => acceptanceOf(pool, finding),
    isAccepted: (key: FindingKey) => isAccepted(pool, key),
    leave: (finding: Finding) => leave(pool, finding),
    ...{ unended, noteAsked, neverAsked, notePaymentsAsked },
  };
}

const listOf = (texts: readonly string[]) => texts.map((text) => escapeLiteral(text)).join(', ');

/** In the words of the index stripe_reversals_unended: a parameter would keep it from being used. */
const IS_UNENDED = `((kind = 'refund' AND status IN (${listOf(PENDING_REFUND)}))
           OR (kind = 'dispute' AND status NOT IN (${listOf(ENDED_DISPUTE)})))`;
