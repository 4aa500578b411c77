-- Reconciliation: how far Stripe has been compared with the ledger, and who is doing it.

CREATE TABLE stripe_reconcile (
  singleton          boolean PRIMARY KEY DEFAULT true,
  events_seen_until  timestamptz,
  objects_seen_until timestamptz,
  looked_back_at     timestamptz,
  started_at         timestamptz,
  holder             uuid,
  held_until         timestamptz,
  CONSTRAINT one_row         CHECK (singleton),
  CONSTRAINT held_by_someone CHECK ((holder IS NULL) = (held_until IS NULL))
);

INSERT INTO stripe_reconcile DEFAULT VALUES;

COMMENT ON TABLE stripe_reconcile IS 'How far Stripe has been compared with the ledger.';
COMMENT ON COLUMN stripe_reconcile.events_seen_until IS
  'every event that Stripe created before is in the inbox; only a complete pass moves it';
COMMENT ON COLUMN stripe_reconcile.objects_seen_until IS
  'all that Stripe created before has been compared; only a complete pass moves it';
COMMENT ON COLUMN stripe_reconcile.looked_back_at IS
  'when a run last went back 30 days, for what changed long after it had been created';
COMMENT ON COLUMN stripe_reconcile.started_at IS 'of the latest run that repairs';
-- A lease and not an advisory lock: behind a pooler in transaction mode no lock outlives its
-- transaction, and no transaction may be open while Stripe is asked.
COMMENT ON COLUMN stripe_reconcile.held_until IS 'the lease of the run under way; it renews it';

-- What a run looks at: what became known here since.
CREATE INDEX stripe_payments_recorded_at ON stripe_payments (recorded_at);
