-- Stripe: the inbox of signed events, the names under which one payment is known, the users that
-- Stripe's customers and subscriptions stand for, and the one account this database belongs to.

CREATE TABLE stripe_events (
  id              text COLLATE "C" PRIMARY KEY,
  type            text        NOT NULL,
  api_version     text,
  livemode        boolean     NOT NULL,
  account         text,
  created         timestamptz NOT NULL,
  object_id       text COLLATE "C",
  payload         text        NOT NULL,
  received_at     timestamptz NOT NULL DEFAULT now(),
  state           text        NOT NULL DEFAULT 'received',
  reason          text,
  waits_for       text[] COLLATE "C",
  attempts        integer     NOT NULL DEFAULT 0,
  next_attempt_at timestamptz DEFAULT now(),
  settled_at      timestamptz,
  CONSTRAINT id_is_an_event    CHECK (id LIKE 'evt\_%' AND length(id) <= 255),
  CONSTRAINT state_known       CHECK (state IN ('received', 'done', 'parked', 'ignored')),
  CONSTRAINT reason_when_open  CHECK (state NOT IN ('parked', 'ignored') OR reason IS NOT NULL),
  CONSTRAINT open_has_a_time   CHECK ((state IN ('received', 'parked'))
                                      = (next_attempt_at IS NOT NULL)),
  CONSTRAINT closed_is_settled CHECK ((state IN ('done', 'ignored')) = (settled_at IS NOT NULL)),
  CONSTRAINT only_parked_waits CHECK (waits_for IS NULL OR state = 'parked'),
  CONSTRAINT attempts_counted  CHECK (attempts >= 0)
);

COMMENT ON TABLE stripe_events IS
  'The inbox: every event with a valid signature, stored before anything is done about it.';
COMMENT ON COLUMN stripe_events.account IS 'the Connect account it happened in; null for our own';
COMMENT ON COLUMN stripe_events.object_id IS
  'what it is about, such as cs_…, in_…, re_…; null when that has no usable id';
-- text, not jsonb: a signed payload may hold \u0000, lone surrogates or deep nesting, which jsonb
-- refuses, and an event must never be lost because it could not be stored.
COMMENT ON COLUMN stripe_events.payload IS 'the body as it was signed';
COMMENT ON COLUMN stripe_events.reason IS 'why it is parked or ignored, or did nothing new';
COMMENT ON COLUMN stripe_events.waits_for IS
  'any of these wakes it: user_of:cus_…, user_of:sub_…, price:…, slow_payment:cs_…, stripe_api, '
  'release:…';
COMMENT ON COLUMN stripe_events.attempts IS
  'counts claims; an attempt settles the event only while it is the newest';
COMMENT ON COLUMN stripe_events.next_attempt_at IS
  'also the lease: whoever claims an event moves it ahead';

-- What is due next, and what a cause wakes when it goes away. Settled events are in neither.
CREATE INDEX stripe_events_due ON stripe_events (next_attempt_at)
  WHERE next_attempt_at IS NOT NULL;
CREATE INDEX stripe_events_waiting ON stripe_events USING gin (waits_for)
  WHERE waits_for IS NOT NULL;
CREATE INDEX stripe_events_object_id ON stripe_events (object_id);

CREATE TABLE stripe_payment_aliases (
  alias      text COLLATE "C" PRIMARY KEY,
  payment    text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT payment_is_a_grant_key CHECK (payment LIKE 'cs\_%' OR payment LIKE 'in\_%')
);

-- Unique without livemode and account: stripe_account pins both for the whole database.
COMMENT ON TABLE stripe_payment_aliases IS
  'All names of one payment (cs_, in_, pi_, ch_), each under the grant key that may grant for it.';
CREATE INDEX stripe_payment_aliases_payment ON stripe_payment_aliases (payment);

CREATE TABLE stripe_user_aliases (
  stripe_id  text COLLATE "C" PRIMARY KEY,
  user_id    text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT user_id_length CHECK (length(user_id) BETWEEN 1 AND 255)
);

COMMENT ON TABLE stripe_user_aliases IS
  'The user that a customer (cus_) or subscription (sub_) stands for, learned from a checkout; '
  'beside stripe_customers.stripe_customer_id, since guests have many customers.';

CREATE TABLE stripe_account (
  singleton   boolean PRIMARY KEY DEFAULT true,
  livemode    boolean NOT NULL,
  account     text,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT one_row CHECK (singleton)
);

COMMENT ON TABLE stripe_account IS
  'The mode and Stripe account that this database belongs to, recorded at the first boot.';
