-- Reconciliation asks for each grant in its turn, reads what has changed by an index, and knows
-- what somebody accepted from what became of it since.

-- What was granted before counts as asked now; a default that is the same for all rewrites no row.
ALTER TABLE stripe_payments ADD COLUMN asked_at timestamptz DEFAULT now();
ALTER TABLE stripe_payments ALTER COLUMN asked_at DROP DEFAULT;

COMMENT ON COLUMN stripe_payments.asked_at IS
  'when Stripe was last asked whether it is paid, or first listed it as paid; null: not yet';

CREATE INDEX stripe_payments_never_asked ON stripe_payments (recorded_at, payment)
  WHERE outcome = 'granted' AND asked_at IS NULL;

-- Both are read in batches, each of which begins where the one before ended.
CREATE INDEX stripe_payments_recorded ON stripe_payments (recorded_at, payment);
DROP INDEX stripe_payments_recorded_at;
CREATE INDEX stripe_reversals_changed
  ON stripe_reversals (greatest(recorded_at, decided_at, asked_at), id);

-- Those whose end was not told yet, in their turn; most have ended, and are not in it.
CREATE INDEX stripe_reversals_unended ON stripe_reversals (asked_at NULLS FIRST, recorded_at, id)
  WHERE (kind = 'refund' AND status IN ('pending', 'requires_action'))
     OR (kind = 'dispute'
         AND status NOT IN ('won', 'warning_closed', 'charge_refunded', 'prevented', 'lost'));

ALTER TABLE stripe_findings
  ADD COLUMN accepted_amount  bigint,
  ADD COLUMN accepted_credits bigint,
  ADD COLUMN accepted_why     text;

UPDATE stripe_findings
   SET accepted_amount = amount, accepted_credits = credits, accepted_why = why
 WHERE accepted_at IS NOT NULL;

COMMENT ON COLUMN stripe_findings.accepted_why IS
  'why it was off when somebody accepted it: that, its amount and its credits are what is accepted';

DROP INDEX stripe_findings_open;
CREATE INDEX stripe_findings_open ON stripe_findings (looked_at, object)
  WHERE accepted_at IS NULL
     OR (amount, credits, why) IS DISTINCT FROM (accepted_amount, accepted_credits, accepted_why);
