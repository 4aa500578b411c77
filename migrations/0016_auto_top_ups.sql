-- Auto top-up: who wants credits bought by themselves, and each attempt at that.

-- An invoice that Purser makes is recognised by its intent, as its checkouts are.
ALTER TABLE purchase_intents
  DROP CONSTRAINT session_is_a_checkout,
  ADD CONSTRAINT session_is_what_is_paid CHECK (
    (session LIKE 'cs\_%' OR session LIKE 'in\_%') AND length(session) <= 255) NOT VALID;

COMMENT ON COLUMN purchase_intents.session IS
  'the checkout session, or the invoice of an auto top-up';

CREATE TABLE auto_top_ups (
  user_id        text COLLATE "C" PRIMARY KEY,
  enabled        boolean     NOT NULL,
  price          text COLLATE "C" NOT NULL,
  quantity       integer     NOT NULL,
  threshold      bigint      NOT NULL,
  monthly_cap    bigint      NOT NULL,
  amount         bigint      NOT NULL,
  currency       text        NOT NULL,
  customer       text COLLATE "C" NOT NULL,
  payment_method text COLLATE "C" NOT NULL,
  enabled_at     timestamptz NOT NULL,
  failures       integer     NOT NULL DEFAULT 0,
  retry_at       timestamptz,
  stopped_reason text,
  CONSTRAINT user_id_length    CHECK (length(user_id) BETWEEN 1 AND 255),
  CONSTRAINT quantity_positive CHECK (quantity > 0),
  CONSTRAINT threshold_positive CHECK (threshold > 0),
  CONSTRAINT amount_positive   CHECK (amount > 0),
  CONSTRAINT cap_allows_one    CHECK (monthly_cap >= amount),
  CONSTRAINT stopped_is_off    CHECK (stopped_reason IS NULL OR NOT enabled)
);

COMMENT ON TABLE auto_top_ups IS 'What each user who opted in wants, and how it has gone.';
COMMENT ON COLUMN auto_top_ups.threshold IS 'credits: fewer available ones are topped up';
COMMENT ON COLUMN auto_top_ups.amount IS
  'of one top-up, in the currency''s smallest unit; so is monthly_cap';
COMMENT ON COLUMN auto_top_ups.payment_method IS 'the card that was saved when the user opted in';
COMMENT ON COLUMN auto_top_ups.enabled_at IS 'a claw-back since then stops it';
COMMENT ON COLUMN auto_top_ups.failures IS 'in a row';
COMMENT ON COLUMN auto_top_ups.retry_at IS 'after a failure nothing is tried before';

CREATE TABLE auto_top_up_attempts (
  id             uuid PRIMARY KEY,
  user_id        text COLLATE "C" NOT NULL REFERENCES auto_top_ups,
  price          text COLLATE "C" NOT NULL,
  version        integer     NOT NULL,
  quantity       integer     NOT NULL,
  amount         bigint      NOT NULL,
  currency       text        NOT NULL,
  customer       text COLLATE "C" NOT NULL,
  payment_method text COLLATE "C" NOT NULL,
  invoice        text COLLATE "C" UNIQUE,
  state          text        NOT NULL,
  reason         text,
  started_at     timestamptz NOT NULL,
  leased_until   timestamptz NOT NULL,
  ended_at       timestamptz,
  CONSTRAINT state_known CHECK (state IN ('open', 'charged', 'granted', 'failed')),
  CONSTRAINT ended       CHECK ((ended_at IS NULL) = (state IN ('open', 'charged')))
);

COMMENT ON TABLE auto_top_up_attempts IS
  'One row per attempt. It is in flight until its credits are in the ledger or its payment failed.';
COMMENT ON COLUMN auto_top_up_attempts.id IS 'what Stripe''s idempotency keys are made from';
COMMENT ON COLUMN auto_top_up_attempts.amount IS 'of all of it, in the currency''s smallest unit';
COMMENT ON COLUMN auto_top_up_attempts.leased_until IS
  'an open one is taken up by another server after this';

-- One in flight per account, whatever the code does.
CREATE UNIQUE INDEX auto_top_up_in_flight ON auto_top_up_attempts (user_id)
  WHERE ended_at IS NULL;
CREATE INDEX auto_top_up_attempts_of_user ON auto_top_up_attempts (user_id, started_at);
CREATE INDEX auto_top_up_attempts_leases ON auto_top_up_attempts (leased_until)
  WHERE ended_at IS NULL;
