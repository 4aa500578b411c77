-- Checkout: what each session that Purser opened was opened for, and the customers of its users.

CREATE TABLE purchase_intents (
  session    text COLLATE "C" PRIMARY KEY,
  id         text COLLATE "C" NOT NULL,
  user_id    text COLLATE "C" NOT NULL,
  mode       text        NOT NULL,
  items      jsonb       NOT NULL,
  adjustable boolean     NOT NULL,
  amount     bigint,
  currency   text,
  livemode   boolean     NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT session_is_a_checkout CHECK (session LIKE 'cs\_%' AND length(session) <= 255),
  CONSTRAINT user_id_length        CHECK (length(user_id) BETWEEN 1 AND 255),
  CONSTRAINT mode_known            CHECK (mode IN ('payment', 'subscription')),
  CONSTRAINT items_are_a_list      CHECK (jsonb_typeof(items) = 'array'),
  CONSTRAINT amount_not_negative   CHECK (amount >= 0),
  CONSTRAINT amount_has_currency   CHECK ((amount IS NULL) = (currency IS NULL))
);

COMMENT ON TABLE purchase_intents IS
  'Checkout sessions that Purser opened: for whom, and under which terms. Written once, before '
  'the buyer learns the session''s address; a session of somebody else''s making has no row.';
COMMENT ON COLUMN purchase_intents.id IS
  'also in metadata.purchase_intent of the session, its payment and its subscription; two sessions '
  'share it when a caller repeats an Idempotency-Key that Stripe has forgotten by then';
COMMENT ON COLUMN purchase_intents.items IS
  '[{"price", "version", "quantity", "amount"}]: version of the terms in catalogue_prices; amount '
  'for one unit in the currency''s smallest unit, or null when that cannot be told';
COMMENT ON COLUMN purchase_intents.adjustable IS 'the buyer may change the quantities';
COMMENT ON COLUMN purchase_intents.amount IS
  'what Stripe asked for when the session was opened; the buyer may change it until it is paid';

CREATE INDEX purchase_intents_id ON purchase_intents (id);

-- The customers of a user, beside the one in stripe_customers.
CREATE INDEX stripe_user_aliases_customers ON stripe_user_aliases (user_id, created_at)
  WHERE stripe_id LIKE 'cus\_%';
