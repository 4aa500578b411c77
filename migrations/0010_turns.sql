-- Reconciliation asks for each grant in its turn, and reads what has changed by an index.

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
