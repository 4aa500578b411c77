-- Credits for products: holds, reversals, priorities of lots, operations by a price list, and the
-- sweep of what becomes due by itself.

ALTER TABLE credit_ledger
  ADD COLUMN priority  smallint,
  ADD COLUMN hold_id   text COLLATE "C",
  ADD COLUMN operation text,
  ADD COLUMN quantity  numeric,
  DROP CONSTRAINT kind_known,
  DROP CONSTRAINT delta_sign,
  DROP CONSTRAINT taking_draws,
  DROP CONSTRAINT never_overdrawn,
  DROP CONSTRAINT reversal_names_its_grant,
  DROP CONSTRAINT reinstatement_has_category,
  -- NOT VALID: each allows whatever the one before it allowed, so that old entries need no look,
  -- which would hold up every debit for as long as it takes.
  ADD CONSTRAINT kind_known CHECK (kind IN ('purchase', 'included', 'bonus', 'adjustment', 'debit',
                                            'expiry', 'clawback', 'reinstatement', 'hold',
                                            'capture', 'release', 'reversal'))
    NOT VALID,
  ADD CONSTRAINT delta_sign CHECK (
    CASE WHEN kind IN ('debit', 'expiry', 'clawback', 'capture') THEN delta < 0
         WHEN kind IN ('hold', 'release') THEN delta = 0
         ELSE delta > 0 END) NOT VALID,
  ADD CONSTRAINT taking_draws CHECK (
    kind NOT IN ('debit', 'expiry', 'clawback', 'hold', 'capture') OR draws IS NOT NULL) NOT VALID,
  ADD CONSTRAINT never_overdrawn CHECK (
    kind NOT IN ('debit', 'expiry', 'hold') OR balance - held >= 0) NOT VALID,
  ADD CONSTRAINT reversal_names_its_entry CHECK (
    CASE WHEN kind IN ('clawback', 'reinstatement')
         THEN payment IS NOT NULL AND reverses_seq IS NOT NULL AND reverses_seq < seq
         WHEN kind = 'reversal' THEN reverses_seq IS NOT NULL AND reverses_seq < seq
         ELSE reverses_seq IS NULL END) NOT VALID,
  ADD CONSTRAINT category_of_what_comes_back CHECK (
    CASE WHEN kind = 'reinstatement'
         THEN category IN ('purchase', 'included', 'bonus', 'adjustment') IS TRUE
         WHEN kind = 'reversal' THEN (category IS NULL) = (lot IS NULL)
         ELSE category IS NULL END) NOT VALID,
  ADD CONSTRAINT hold_named CHECK (
    (kind IN ('hold', 'capture', 'release')) = (hold_id IS NOT NULL)) NOT VALID,
  ADD CONSTRAINT hold_ends CHECK (kind <> 'hold' OR expires_at IS NOT NULL) NOT VALID,
  ADD CONSTRAINT operation_has_quantity CHECK ((operation IS NULL) = (quantity IS NULL)) NOT VALID,
  -- A server of the release before knows no holds: it would write the account down without them.
  ADD CONSTRAINT state_keeps_holds CHECK (state IS NULL OR held = 0 OR state ? 'holds') NOT VALID;

COMMENT ON COLUMN credit_ledger.priority IS 'grants and reinstatements: of their lot; null for 0';
COMMENT ON COLUMN credit_ledger.hold_id IS 'the hold that a hold opens and a capture or release ends';
COMMENT ON COLUMN credit_ledger.operation IS
  'debits and holds: what of the price list they were for, if that said how many credits it costs';
COMMENT ON COLUMN credit_ledger.quantity IS 'how much of the operation';
COMMENT ON COLUMN credit_ledger.category IS
  'what the lot of a reinstatement or reversal counts as; a grant''s kind says it';
COMMENT ON COLUMN credit_ledger.expires_at IS
  'grants and reinstatements: when their lot expires; holds: when they end by themselves';
COMMENT ON COLUMN credit_ledger.reverses_seq IS
  'claw-backs and reinstatements: seq of the grant whose credits they move; '
  'reversals: of the debit or capture';
COMMENT ON COLUMN credit_ledger.draws IS
  'what it took from which lots, in order: [{"lot": seq, "amount": credits}]; the rest of a '
  'claw-back is debt. Holds: what they reserve. Reversals: what they give to which lots, with the '
  'terms of those that open again';

-- A hold is opened once and ends once.
CREATE UNIQUE INDEX credit_ledger_hold ON credit_ledger (user_id, hold_id) WHERE kind = 'hold';
CREATE UNIQUE INDEX credit_ledger_hold_end ON credit_ledger (user_id, hold_id)
  WHERE kind IN ('capture', 'release');
CREATE INDEX credit_ledger_reverses ON credit_ledger (user_id, reverses_seq)
  WHERE reverses_seq IS NOT NULL;

ALTER TABLE stripe_customers ADD COLUMN next_due_at timestamptz;

COMMENT ON COLUMN stripe_customers.next_due_at IS
  'not before then does anything happen to the account by itself; null for never. Commands only '
  'move it earlier, the sweep alone moves it on';

CREATE INDEX stripe_customers_due ON stripe_customers (next_due_at) WHERE next_due_at IS NOT NULL;

-- The sweep finds out when, for accounts that have had anything that expires.
UPDATE stripe_customers SET next_due_at = now()
 WHERE user_id IN (SELECT user_id FROM credit_ledger WHERE expires_at IS NOT NULL);
