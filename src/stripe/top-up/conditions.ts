/** What the SQL of a top-up asks for: `s` is the user's row of auto_top_ups, `a` an attempt. */

/** Whether an attempt's credits are in the ledger. */
export const IS_GRANTED = 'EXISTS (SELECT FROM credit_ledger l WHERE l.grant_key = a.invoice)';

/** Why an attempt's payment gives no credits: an operator left it so, or no event of it does; or null. */
export const WHY_LEFT = `
  coalesce((SELECT f.note
              FROM stripe_findings f
             WHERE f.object = a.invoice AND f.kind = 'paid-but-not-granted'
               AND f.accepted_at IS NOT NULL AND NOT f.changed),
           (SELECT max(e.reason)
              FROM stripe_events e
             WHERE e.object_id = a.invoice AND e.type = 'invoice.paid'
            HAVING bool_and(e.state = 'ignored')))`;

/** Whether credits of any payment were taken back since the user has last opted in. */
export const IS_REVERSED = `
  EXISTS (SELECT FROM credit_ledger l
           WHERE l.user_id = s.user_id AND l.reverses_seq IS NOT NULL AND l.kind = 'clawback'
             AND CASE WHEN s.seen_seq IS NULL THEN l.created_at >= s.enabled_at
                      ELSE l.seq > s.seen_seq END)`;

/** What attempts have charged this month, and what the open one may still charge. */
export const SPENT_THIS_MONTH = `
  (SELECT coalesce(sum(a.amount), 0)::bigint
     FROM auto_top_up_attempts a
    WHERE a.user_id = s.user_id AND a.currency = s.currency AND a.state <> 'failed'
      AND (a.state = 'open'
           OR coalesce(a.charged_at, a.started_at) >= date_trunc('month', now(), 'UTC')))`;

/** What is posted of the user's available credits. Below 0 is debt, which only its owner may pay. */
export const IS_LOW = `
  coalesce((SELECT l.balance - l.held
              FROM credit_ledger l
             WHERE l.user_id = s.user_id
             ORDER BY l.seq DESC
             LIMIT 1), 0) BETWEEN 0 AND s.threshold - 1`;

/**
 * Whether nothing was spent or reserved since the last top-up came. Are there few credits all the
 * same, since they expired, paid debt or were fewer than the threshold, then another one would be
 * no end of it.
 */
export const IS_UNUSED = `
  EXISTS (SELECT FROM credit_ledger g
           WHERE g.grant_key = (SELECT a.invoice
                                  FROM auto_top_up_attempts a
                                 WHERE a.user_id = s.user_id AND a.state <> 'failed'
                                 ORDER BY a.started_at DESC
                                 LIMIT 1)
             AND NOT EXISTS (SELECT FROM credit_ledger l
                              WHERE l.user_id = g.user_id AND l.seq > g.seq
                                AND l.kind IN ('debit', 'capture', 'hold')))`;

/**
 * Whether so many charges have failed since yesterday that another card is no new beginning. Which
 * card it is does not matter: saved again it has another name, and whoever tries stolen ones has
 * many.
 */
export const HAS_FAILED_OFTEN = `
  (SELECT count(*) >= 5
     FROM auto_top_up_attempts a
    WHERE a.user_id = s.user_id AND a.state = 'failed' AND a.ended_at > now() - interval '1 day')`;
