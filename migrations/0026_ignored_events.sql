-- Whoever ignores an event of a payment accepts that this has no credits, whoever tells of it next.
-- Of a checkout whose payload is removed nothing here says any more whether it was paid, but what an
-- operator has ignored must not be granted by reconciliation; where another event of it is open, that
-- one decides.

INSERT INTO stripe_findings (object, kind, code, dated_at, why,
                             accepted_at, note, accepted_code, accepted_why)
SELECT DISTINCT ON (object_id)
       object_id, 'paid-but-not-granted', 'ignored', created, 'an operator has ignored ' || id,
       settled_at, reason, 'ignored', 'an operator has ignored ' || id
  FROM stripe_events AS e
 WHERE state = 'ignored' AND starts_with(reason, 'ignored by ') AND object_id IS NOT NULL
   AND (type = 'invoice.paid'
        OR (type IN ('checkout.session.completed', 'checkout.session.async_payment_succeeded')
            AND (payload ~ '"payment_status":\s*"(paid|no_payment_required)"'
                 OR (payload IS NULL
                     AND NOT EXISTS (SELECT
                                       FROM stripe_events o
                                      WHERE o.object_id = e.object_id
                                        AND o.next_attempt_at IS NOT NULL)))))
   AND NOT EXISTS (SELECT
                     FROM stripe_payment_aliases a
                     JOIN credit_ledger l ON l.grant_key = a.payment
                    WHERE a.alias = e.object_id)
 ORDER BY object_id, settled_at DESC
    ON CONFLICT (object, kind) DO UPDATE
   SET code = excluded.code, why = excluded.why, changed = false,
       accepted_at = excluded.accepted_at, note = excluded.note,
       accepted_code = excluded.accepted_code, accepted_amount = stripe_findings.amount,
       accepted_credits = stripe_findings.credits, accepted_why = excluded.accepted_why
 WHERE stripe_findings.accepted_at IS NULL;

COMMENT ON COLUMN stripe_findings.code IS
  'why it is off; ''unanswered'': it could not be looked at; ''ignored'': an operator has ignored its '
  'event, and whatever it is found to be is accepted; '''': written by a release without codes';
