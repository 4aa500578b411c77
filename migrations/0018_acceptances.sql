-- Reconciliation goes past an object for which Stripe has no answer, and looks at it again.

ALTER TABLE stripe_findings ADD COLUMN code text NOT NULL DEFAULT '';

COMMENT ON COLUMN stripe_findings.code IS
  'why it is off, in a word that stays; ''unanswered'': it could not be looked at; '''': written by '
  'a release that had none';
