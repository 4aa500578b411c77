-- Reconciliation remembers what it could not repair, and when Stripe was asked about what.

CREATE TABLE stripe_findings (
  object      text COLLATE "C" NOT NULL,
  kind        text        NOT NULL,
  user_id     text COLLATE "C",
  amount      bigint,
  currency    text,
  credits     bigint,
  dated_at    timestamptz NOT NULL,
  why         text        NOT NULL,
  done        text,
  found_at    timestamptz NOT NULL DEFAULT now(),
  looked_at   timestamptz NOT NULL DEFAULT now(),
  accepted_at timestamptz,
  note        text,
  PRIMARY KEY (object, kind),
  CONSTRAINT accepted_with_a_note CHECK ((accepted_at IS NULL) = (note IS NULL))
);

COMMENT ON TABLE stripe_findings IS
  'What was off between Stripe and the ledger and could not be repaired: each run looks at it again, '
  'wherever the cursor is, until it is in order, which removes it, or an operator accepts it.';
COMMENT ON COLUMN stripe_findings.object IS
  'what it is about: evt_…, cs_…, in_…, re_…, dp_…, du_…, cn_…; for claw-backs the grant key';
COMMENT ON COLUMN stripe_findings.credits IS 'what the account lacks, or has too much (below 0)';
COMMENT ON COLUMN stripe_findings.dated_at IS 'when Stripe created it, or it was recorded here';
COMMENT ON COLUMN stripe_findings.done IS 'what the latest run did about it; null: nothing can be';
COMMENT ON COLUMN stripe_findings.looked_at IS 'whose turn it is: the longest ago comes first';
COMMENT ON COLUMN stripe_findings.note IS 'who accepted it, and why';

CREATE INDEX stripe_findings_open ON stripe_findings (looked_at) WHERE accepted_at IS NULL;

ALTER TABLE stripe_reversals ADD COLUMN asked_at timestamptz;

COMMENT ON COLUMN stripe_reversals.asked_at IS
  'when Stripe''s API was last asked about it; null: only events have told';
COMMENT ON COLUMN stripe_reversals.decided_at IS
  'created of the event that decided about live, by Stripe''s clock; 1970 when none did';
