-- Reconciliation knows why something is off by a code, not by its prose; goes past an object for
-- which Stripe has no answer; and what somebody accepted is carried out by nobody.

ALTER TABLE stripe_findings
  ADD COLUMN code          text    NOT NULL DEFAULT '',
  ADD COLUMN accepted_code text,
  ADD COLUMN changed       boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN stripe_findings.code IS
  'why it is off; ''unanswered'': it could not be looked at; '''': written by a release without codes';
COMMENT ON COLUMN stripe_findings.accepted_code IS
  'this, the amount and the credits are what is accepted; '''': whatever it is when it is next seen';
COMMENT ON COLUMN stripe_findings.accepted_why IS 'how that was told';
COMMENT ON COLUMN stripe_findings.changed IS
  'whether a run has seen something else than what is accepted';

UPDATE stripe_findings
   SET accepted_code = '',
       changed = (amount, credits, why)
                 IS DISTINCT FROM (accepted_amount, accepted_credits, accepted_why)
 WHERE accepted_at IS NOT NULL;

DROP INDEX stripe_findings_open;
CREATE INDEX stripe_findings_open ON stripe_findings (looked_at, object)
  WHERE accepted_at IS NULL OR changed;

-- Was it accepted, nobody wants it granted when its cause goes away.
UPDATE stripe_events AS e
   SET state = 'ignored', reason = f.note, waits_for = NULL, next_attempt_at = NULL,
       settled_at = now()
  FROM stripe_findings AS f
 WHERE f.accepted_at IS NOT NULL AND NOT f.changed AND f.kind = 'paid-but-not-granted'
   AND e.object_id = f.object AND e.next_attempt_at IS NOT NULL
   AND e.type IN ('checkout.session.completed', 'checkout.session.async_payment_succeeded',
                  'invoice.paid');
