-- Alerts: what the product is told of an account, and the webhook endpoints that are told it.

CREATE TABLE alerts (
  position   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id         uuid        NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  user_id    text COLLATE "C" NOT NULL,
  seq        bigint      NOT NULL,
  type       text        NOT NULL,
  lot        bigint,
  data       json        NOT NULL,
  created_at timestamptz(3) NOT NULL,
  CONSTRAINT type_known CHECK (type IN ('credits.granted', 'credits.low', 'credits.depleted',
                                        'credits.expiring', 'credits.clawed_back',
                                        'hold.expired')),
  CONSTRAINT expiring_names_its_lot CHECK ((type = 'credits.expiring') = (lot IS NOT NULL))
);

COMMENT ON TABLE alerts IS
  'Written in the transaction of the entry that caused them, and removed when they are old.';
COMMENT ON COLUMN alerts.position IS
  'the order of an account''s alerts: taken while the account is locked';
COMMENT ON COLUMN alerts.seq IS 'the newest entry of the account: the one that caused the alert';
COMMENT ON COLUMN alerts.data IS 'what is sent, without free text, which can be erased elsewhere';

-- A lot is announced once.
CREATE UNIQUE INDEX alerts_lot ON alerts (user_id, lot) WHERE lot IS NOT NULL;
CREATE INDEX alerts_age ON alerts (created_at);

CREATE TABLE webhook_endpoints (
  id              text COLLATE "C" PRIMARY KEY,
  url             text        NOT NULL,
  types           text[],
  secret          text,
  previous_secret text,
  previous_until  timestamptz,
  failures        integer     NOT NULL DEFAULT 0,
  failing_since   timestamptz,
  created_at      timestamptz NOT NULL DEFAULT now(),
  disabled_at     timestamptz,
  disabled_reason text,
  deleted_at      timestamptz,
  CONSTRAINT url_length        CHECK (length(url) <= 2048),
  CONSTRAINT secret_until_deleted CHECK ((secret IS NULL) = (deleted_at IS NOT NULL)),
  CONSTRAINT types_not_empty   CHECK (cardinality(types) > 0),
  CONSTRAINT previous_ends     CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
  CONSTRAINT failing_since_one CHECK ((failures = 0) = (failing_since IS NULL)),
  CONSTRAINT disabled_for_a_reason CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);

COMMENT ON TABLE webhook_endpoints IS
  'Where alerts are delivered. A row stays when its endpoint is deleted, without secrets.';
COMMENT ON COLUMN webhook_endpoints.types IS 'which alerts it wants; null for all';
COMMENT ON COLUMN webhook_endpoints.secret IS 'whsec_…; in the clear, because it signs';
COMMENT ON COLUMN webhook_endpoints.failures IS 'attempts that failed since the last success';

CREATE TABLE alert_deliveries (
  endpoint_id     text COLLATE "C" NOT NULL REFERENCES webhook_endpoints,
  position        bigint      NOT NULL REFERENCES alerts ON DELETE CASCADE,
  user_id         text COLLATE "C" NOT NULL,
  state           text        NOT NULL DEFAULT 'pending',
  attempts        integer     NOT NULL DEFAULT 0,
  retries         integer     NOT NULL DEFAULT 0,
  next_attempt_at timestamptz DEFAULT clock_timestamp(),
  attempted_at    timestamptz,
  status          integer,
  problem         text,
  PRIMARY KEY (endpoint_id, position),
  CONSTRAINT state_known CHECK (state IN ('pending', 'delivered', 'failed')),
  CONSTRAINT pending_is_due CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL))
);

COMMENT ON TABLE alert_deliveries IS
  'One row per alert and endpoint. Of an account''s pending ones at an endpoint only the first is sent.';
COMMENT ON COLUMN alert_deliveries.attempts IS
  'how often it was sent; only the newest attempt may write what became of it';
COMMENT ON COLUMN alert_deliveries.retries IS 'attempts since it was last made pending';
COMMENT ON COLUMN alert_deliveries.next_attempt_at IS
  'while it is being sent: when another server may take it for lost';

CREATE INDEX alert_deliveries_due ON alert_deliveries (endpoint_id, next_attempt_at)
  WHERE state = 'pending';
CREATE INDEX alert_deliveries_queue ON alert_deliveries (endpoint_id, user_id, position)
  WHERE state = 'pending';
CREATE INDEX alert_deliveries_position ON alert_deliveries (position);

-- Lots are announced some days before they expire: the sweep finds out when that is.
UPDATE stripe_customers SET next_due_at = now() WHERE next_due_at > now();
