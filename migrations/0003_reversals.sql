-- Money that goes back: what Stripe said of each payment's refunds and disputes, and the entries
-- that follow from it; and lots that expire.

ALTER TABLE credit_ledger
  ADD COLUMN category     text,
  ADD COLUMN expires_at   timestamptz(3),
  ADD COLUMN payment      text COLLATE "C",
  ADD COLUMN reverses_seq bigint,
  DROP CONSTRAINT kind_known,
  DROP CONSTRAINT delta_sign,
  DROP CONSTRAINT debit_draws,
  DROP CONSTRAINT never_overdrawn,
  -- NOT VALID: each allows whatever the one before it allowed, so that old entries need no look,
  -- which would hold up every debit for as long as it takes.
  ADD CONSTRAINT kind_known CHECK (kind IN ('purchase', 'included', 'bonus', 'adjustment',
                                            'debit', 'expiry', 'clawback', 'reinstatement'))
    NOT VALID,
  ADD CONSTRAINT delta_sign CHECK (CASE WHEN kind IN ('debit', 'expiry', 'clawback')
                                        THEN delta < 0 ELSE delta > 0 END) NOT VALID,
  ADD CONSTRAINT taking_draws CHECK (kind NOT IN ('debit', 'expiry', 'clawback')
                                     OR draws IS NOT NULL) NOT VALID,
  ADD CONSTRAINT never_overdrawn CHECK (kind NOT IN ('debit', 'expiry') OR balance - held >= 0)
    NOT VALID,
  ADD CONSTRAINT reversal_names_its_grant CHECK (
    CASE WHEN kind IN ('clawback', 'reinstatement')
         THEN payment IS NOT NULL AND reverses_seq IS NOT NULL AND reverses_seq < seq
         ELSE reverses_seq IS NULL END) NOT VALID,
  ADD CONSTRAINT reinstatement_has_category CHECK (
    CASE WHEN kind = 'reinstatement'
         THEN category IN ('purchase', 'included', 'bonus', 'adjustment') IS TRUE
         ELSE category IS NULL END) NOT VALID;

COMMENT ON COLUMN credit_ledger.category IS
  'reinstatements: what their lot counts as; a grant''s kind says it';
COMMENT ON COLUMN credit_ledger.expires_at IS 'grants and reinstatements: when their lot expires';
COMMENT ON COLUMN credit_ledger.payment IS
  'the grant key of the payment that this entry grants, claws back or reinstates';
COMMENT ON COLUMN credit_ledger.reverses_seq IS
  'claw-backs and reinstatements: seq of the grant whose credits they move';
COMMENT ON COLUMN credit_ledger.draws IS
  'what it took from which lots, in order: [{"lot": seq, "amount": credits}]; '
  'the rest of a claw-back is debt';

CREATE INDEX credit_ledger_payment ON credit_ledger (payment) WHERE payment IS NOT NULL;

CREATE TABLE stripe_payments (
  payment     text COLLATE "C" PRIMARY KEY,
  user_id     text COLLATE "C",
  amount_paid bigint      NOT NULL,
  currency    text        NOT NULL,
  outcome     text        NOT NULL,
  reason      text,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT payment_is_a_grant_key CHECK (payment LIKE 'cs\_%' OR payment LIKE 'in\_%'),
  CONSTRAINT amount_not_negative    CHECK (amount_paid >= 0),
  CONSTRAINT outcome_known          CHECK (outcome IN ('granted', 'nothing')),
  CONSTRAINT granted_to_a_user      CHECK (outcome <> 'granted' OR user_id IS NOT NULL),
  CONSTRAINT nothing_has_a_reason   CHECK (outcome <> 'nothing' OR reason IS NOT NULL)
);

COMMENT ON TABLE stripe_payments IS
  'What was paid, tax included, in the currency''s smallest unit, and what became of it; those '
  'that granted nothing too, so that their refunds are known for what they are.';

CREATE TABLE stripe_reversals (
  id           text COLLATE "C" PRIMARY KEY,
  kind         text        NOT NULL,
  payment_name text COLLATE "C" NOT NULL,
  amount       bigint      NOT NULL,
  currency     text        NOT NULL,
  live         boolean     NOT NULL,
  status       text        NOT NULL,
  decided_at   timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT kind_known          CHECK (kind IN ('refund', 'dispute', 'credit_note')),
  CONSTRAINT amount_not_negative CHECK (amount >= 0)
);

COMMENT ON TABLE stripe_reversals IS
  'Refunds, disputes and credit notes as Stripe last told them. Facts, not deeds: a claw-back '
  'follows from all live ones of a payment together, whatever their order.';
COMMENT ON COLUMN stripe_reversals.payment_name IS
  'what it names: pi_…, ch_… or in_…; the alias of a payment, known or not yet';
COMMENT ON COLUMN stripe_reversals.live IS 'whether money has gone back, as far as is known';
COMMENT ON COLUMN stripe_reversals.decided_at IS 'created of the event that decided about live';

CREATE INDEX stripe_reversals_payment_name ON stripe_reversals (payment_name);

-- How much of a payment has gone back. A dispute or refund in another currency counts as full.
CREATE VIEW v_payment_reversed AS
  SELECT p.payment,
         p.amount_paid,
         least(p.amount_paid,
               coalesce(sum(CASE WHEN r.currency = p.currency THEN r.amount
                                 ELSE p.amount_paid END) FILTER (WHERE r.live), 0))::bigint
           AS amount_reversed
    FROM stripe_payments p
    LEFT JOIN stripe_payment_aliases a USING (payment)
    LEFT JOIN stripe_reversals r ON r.payment_name = a.alias
   GROUP BY p.payment;

-- What earlier releases granted, so that its refunds find it. Read from the payloads one by one: a
-- payload that jsonb refuses leaves that payment out, and its refund then waits to be seen.
DO $$
DECLARE
  granted record;
  paid    jsonb;
BEGIN
  FOR granted IN SELECT l.grant_key, l.user_id, e.payload
                   FROM credit_ledger l
                   JOIN stripe_events e ON e.id = l.stripe_event_id
                  WHERE l.grant_key IS NOT NULL
  LOOP
    BEGIN
      paid := granted.payload::jsonb -> 'data' -> 'object';
      INSERT INTO stripe_payments (payment, user_id, amount_paid, currency, outcome)
      VALUES (granted.grant_key, granted.user_id,
              greatest(0, coalesce(paid -> 'amount_total', paid -> 'total')::bigint),
              lower(paid ->> 'currency'), 'granted');
    EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
      RAISE NOTICE 'what was paid for % cannot be read', granted.grant_key;
    END;
  END LOOP;
END $$;

-- They were stored for this release.
UPDATE stripe_events SET next_attempt_at = now() WHERE waits_for && '{release:reversals}';
