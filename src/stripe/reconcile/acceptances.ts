import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { ignoredWith, REOPENED } from '../inbox/inbox-desk.ts';
import { isGranted } from '../payments/accepted-payments.ts';
import { PAYING } from './event-types.ts';
import type { Finding, FindingKey } from './report.ts';

/** A finding as it was when somebody accepted it. */
export interface AcceptedFinding extends Finding {
  readonly acceptedAt: Date;
  /** Who accepted it, and why. */
  readonly note: string;
  /** Why it is off now, where that or its amount or credits are not what was accepted; else null. */
  readonly changed: string | null;
}

/** In SQL: whether a finding is not accepted, or not what was accepted. */
export const IS_OPEN = '(accepted_at IS NULL OR changed)';

/** In SQL: a finding, of its row. */
export const FINDING =
  'kind, code, object, user_id AS user, amount, currency, credits, dated_at AS when, why';

/** The mark of what can be accepted of a finding: another reason or figure makes another one. */
export function markOf({ kind, object, code, amount, credits }: Finding): string {
  const seen = JSON.stringify([kind, object, code, amount, credits]);
  return createHash('sha256').update(seen).digest('hex').slice(0, 8);
}

/** What an operator accepts. */
export interface Acceptance {
  readonly object: string;
  /** `markOf` the finding that was seen; null when that is not said. */
  readonly mark: string | null;
  /** Who said it, and why. */
  readonly note: string;
}

/** The events that are ignored from now on; or what else is left about the object. */
type Accepted =
  | { readonly ok: true; readonly events: readonly string[] }
  | { readonly ok: false; readonly left: readonly Finding[] };

/**
 * Accepts what was left about an object, as it was seen. Of a payment without credits the events
 * that would grant it are ignored, with the note as their reason: it is left as it is. Was it granted
 * meanwhile, they go on, so that it is recorded.
 */
export async function acceptFinding(
  pool: Pool,
  { object, mark, note }: Acceptance,
): Promise<Accepted> {
  const left = await readLeft(pool, object);
  const seen = left.find((finding) => markOf(finding) === mark);
  if (!seen) return { ok: false, left };
  const { kind, code, amount, credits } = seen;
  const { rows } = await pool.query<{ done: boolean; events: string[] }>(ACCEPT, [
    ...[object, kind, note, PAYING],
    ...[code, amount, credits],
  ]);
  if (rows[0]?.done) return { ok: true, events: rows[0].events };
  // A run has seen something else meanwhile.
  return { ok: false, left: await readLeft(pool, object) };
}

async function readLeft(pool: Pool, object: string): Promise<readonly Finding[]> {
  const { rows } = await pool.query<Finding>(
    `SELECT ${FINDING} FROM stripe_findings WHERE object = $1 AND ${IS_OPEN} ORDER BY kind`,
    [object],
  );
  return rows;
}

/** How many findings nobody has accepted as they are now. */
export async function countOpenFindings(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ open: number }>(
    `SELECT count(*)::int AS open FROM stripe_findings WHERE ${IS_OPEN}`,
  );
  return rows[0]?.open ?? 0;
}

/** An event that an earlier acceptance had ignored is ignored by the new one. */
const ACCEPT = `
  WITH before AS (
    SELECT note FROM stripe_findings WHERE object = $1 AND kind = $2
  ), accepted AS (
       UPDATE stripe_findings
          SET accepted_at = now(), note = $3, changed = false, accepted_code = code,
              accepted_amount = amount, accepted_credits = credits, accepted_why = why
        WHERE object = $1 AND kind = $2 AND ${IS_OPEN}
          AND (code, amount, credits) IS NOT DISTINCT FROM ($5::text, $6::bigint, $7::bigint)
    RETURNING kind
  ), ignored AS (
       UPDATE stripe_events
          SET ${ignoredWith('$3')}
        WHERE object_id = $1 AND type = ANY($4::text[])
          AND EXISTS (SELECT FROM accepted WHERE kind = 'paid-but-not-granted')
          AND NOT ${isGranted('$1')}
          AND (next_attempt_at IS NOT NULL
               OR (state = 'ignored' AND reason = (SELECT note FROM before)))
    RETURNING id
  )
  SELECT EXISTS (SELECT FROM accepted) AS done, ARRAY (SELECT id FROM ignored) AS events`;

/**
 * Undoes that: what was accepted about an object is told and repaired again, and its events that
 * were ignored are due.
 * @param note only what was accepted by ignoring an event, with this note; null for all
 * @returns these events; null when nothing was accepted about it
 */
export async function unacceptFindings(
  pool: Pick<Pool, 'query'>,
  object: string,
  note: string | null = null,
): Promise<readonly string[] | null> {
  const { rows } = await pool.query<{ done: boolean; events: string[] }>(
    `WITH before AS (
       SELECT kind, note
         FROM stripe_findings
        WHERE object = $1 AND accepted_at IS NOT NULL
          AND ($3::text IS NULL OR (accepted_code = 'ignored' AND note = $3))
          FOR UPDATE
     ), open AS (
          UPDATE stripe_findings AS f
             SET accepted_at = NULL, note = NULL, changed = false, accepted_code = NULL,
                 accepted_amount = NULL, accepted_credits = NULL, accepted_why = NULL
            FROM before
           WHERE f.object = $1 AND f.kind = before.kind
       RETURNING before.note
     ), reopened AS (
          UPDATE stripe_events
             SET ${REOPENED}
           WHERE object_id = $1 AND type = ANY($2::text[]) AND state = 'ignored'
             AND reason IN (SELECT note FROM open) AND payload IS NOT NULL
       RETURNING id
     )
     SELECT EXISTS (SELECT FROM open) AS done, ARRAY (SELECT id FROM reopened) AS events`,
    [object, PAYING, note],
  );
  return rows[0]?.done ? rows[0].events : null;
}

/** All that is accepted, the latest last. */
export async function listAccepted(pool: Pool): Promise<readonly AcceptedFinding[]> {
  const { rows } = await pool.query<AcceptedFinding>(
    `SELECT kind, accepted_code AS code, object, user_id AS user, accepted_amount AS amount,
            currency, accepted_credits AS credits, dated_at AS when,
            coalesce(accepted_why, why) AS why,
            accepted_at AS "acceptedAt", note,
            CASE WHEN kind = 'paid-but-not-granted' AND ${isGranted('object')}
                 THEN 'it was granted all the same'
                 WHEN changed THEN why END AS changed
       FROM stripe_findings
      WHERE accepted_at IS NOT NULL
      ORDER BY accepted_at, object, kind`,
  );
  return rows;
}

/**
 * Whether an operator has accepted it, so that it is neither told nor repaired; `changed` when it
 * was another amount, other credits or another reason that were accepted. While Stripe does not
 * answer, and for what was accepted before there were codes, nothing says that the reason is not
 * the same; a payment whose event was ignored shall have no credits whatever is found.
 */
export async function acceptanceOf(
  pool: Pool,
  { object, kind, code, amount, credits }: Finding,
): Promise<'none' | 'accepted' | 'changed'> {
  const { rows } = await pool.query<{ same: boolean }>(
    `SELECT CASE WHEN code = 'ignored' THEN true
                 WHEN $3 = 'unanswered' THEN NOT changed
                 ELSE (amount, credits) IS NOT DISTINCT FROM ($4::bigint, $5::bigint)
                      AND (code = $3 OR (NOT changed AND code = '')) END AS same
       FROM (SELECT accepted_amount, accepted_credits, coalesce(accepted_code, ''), changed
               FROM stripe_findings
              WHERE object = $1 AND kind = $2 AND accepted_at IS NOT NULL)
         AS accepted (amount, credits, code, changed)`,
    [object, kind, code, amount, credits],
  );
  const [accepted] = rows;
  if (!accepted) return 'none';
  return accepted.same ? 'accepted' : 'changed';
}

/** Whether something is accepted, and no run has seen anything else since. */
export async function isAccepted(pool: Pool, { object, kind }: FindingKey): Promise<boolean> {
  const { rowCount } = await pool.query(
    `SELECT FROM stripe_findings
      WHERE object = $1 AND kind = $2 AND accepted_at IS NOT NULL AND NOT changed`,
    [object, kind],
  );
  return rowCount === 1;
}

/**
 * Leaves what is accepted as it is: it had its turn, its code is noted, and events that came since
 * are ignored.
 */
export async function leave(pool: Pool, { object, kind, code }: Finding): Promise<void> {
  await pool.query(
    `WITH accepted AS (
       SELECT kind, note
         FROM stripe_findings
        WHERE object = $1 AND kind = $2 AND accepted_at IS NOT NULL
     ), looked AS (
       UPDATE stripe_findings
          SET looked_at = now(), changed = false,
              code = CASE WHEN is_new THEN $3 ELSE coalesce(accepted_code, '') END,
              accepted_code = CASE WHEN is_new THEN $3 ELSE accepted_code END,
              amount = accepted_amount, credits = accepted_credits,
              why = coalesce(accepted_why, why)
         FROM (SELECT coalesce(accepted_code, '') = '' AND $3 <> 'unanswered'
                 FROM stripe_findings
                WHERE object = $1 AND kind = $2) AS said (is_new)
        WHERE object = $1 AND kind = $2 AND accepted_at IS NOT NULL
     )
     UPDATE stripe_events AS e
        SET ${ignoredWith('accepted.note')}
       FROM accepted
      WHERE accepted.kind = 'paid-but-not-granted' AND object_id = $1
        AND type = ANY($4::text[]) AND next_attempt_at IS NOT NULL
        AND NOT ${isGranted('$1')}`,
    [object, kind, code, PAYING],
  );
}
