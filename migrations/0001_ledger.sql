-- The ledger: one row per customer, and an append-only history of entries. The newest entry of a
-- user is the account, so loading a balance is one index probe however long the history is.

CREATE TABLE stripe_customers (
  user_id            text COLLATE "C" PRIMARY KEY,
  stripe_customer_id text UNIQUE,
  email              text,
  created_at         timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT user_id_length CHECK (length(user_id) BETWEEN 1 AND 255)
);

COMMENT ON TABLE stripe_customers IS
  'One row per user who ever held credits. Every change of a balance locks this row first.';

CREATE TABLE credit_ledger (
  user_id         text COLLATE "C" NOT NULL REFERENCES stripe_customers,
  seq             bigint      NOT NULL,
  id              uuid        NOT NULL,
  kind            text        NOT NULL,
  delta           bigint      NOT NULL,
  balance         bigint      NOT NULL,
  held            bigint      NOT NULL,
  lot             bigint,
  draws           jsonb,
  lead_seq        bigint,
  actor           text        NOT NULL,
  reason          text,
  ref             text,
  metadata        jsonb,
  note_hash       bytea,
  stripe_event_id text COLLATE "C",
  grant_key       text COLLATE "C",
  idempotency_key text COLLATE "C",
  request_hash    text COLLATE "C",
  created_at      timestamptz(3) NOT NULL,
  hash            bytea       NOT NULL,
  state           jsonb,
  PRIMARY KEY (user_id, seq),
  CONSTRAINT seq_from_one       CHECK (seq >= 1),
  CONSTRAINT kind_known         CHECK (kind IN ('purchase', 'included', 'bonus', 'adjustment', 'debit')),
  CONSTRAINT delta_sign         CHECK (CASE kind WHEN 'debit' THEN delta < 0 ELSE delta > 0 END),
  CONSTRAINT balance_is_exact   CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991),
  CONSTRAINT held_not_negative  CHECK (held >= 0),
  CONSTRAINT never_overdrawn    CHECK (kind <> 'debit' OR balance - held >= 0),
  CONSTRAINT debit_draws        CHECK (kind <> 'debit' OR draws IS NOT NULL),
  CONSTRAINT lead_comes_first   CHECK (lead_seq < seq),
  CONSTRAINT keys_on_the_lead   CHECK (lead_seq IS NULL
                                       OR (stripe_event_id, grant_key, idempotency_key) IS NULL),
  CONSTRAINT key_has_hash       CHECK ((idempotency_key IS NULL) = (request_hash IS NULL)),
  CONSTRAINT note_has_hash      CHECK (note_hash IS NOT NULL OR (reason, ref, metadata) IS NULL),
  CONSTRAINT note_hash_is_sha256 CHECK (octet_length(note_hash) = 32),
  CONSTRAINT hash_is_sha256     CHECK (octet_length(hash) = 32)
);

COMMENT ON COLUMN credit_ledger.held  IS 'credits reserved by open holds; balance - held is available';
COMMENT ON COLUMN credit_ledger.lot   IS 'grants: seq of the lot that took the credits';
COMMENT ON COLUMN credit_ledger.draws IS 'debits: [{"lot": seq, "amount": credits}], in burn order';
COMMENT ON COLUMN credit_ledger.lead_seq IS 'seq of the command''s first entry, which holds its keys';
COMMENT ON COLUMN credit_ledger.note_hash IS
  'SHA-256 over reason, ref and metadata; stays when they are erased';
COMMENT ON COLUMN credit_ledger.hash  IS 'SHA-256 over the hash before it and this entry';
COMMENT ON COLUMN credit_ledger.state IS 'the whole account, on the last entry of a transaction';

-- A Stripe event acts once; a payment grants once, whichever event brings it.
CREATE UNIQUE INDEX credit_ledger_stripe_event_id ON credit_ledger (stripe_event_id)
  WHERE stripe_event_id IS NOT NULL;
CREATE UNIQUE INDEX credit_ledger_grant_key ON credit_ledger (grant_key)
  WHERE grant_key IS NOT NULL;
CREATE UNIQUE INDEX credit_ledger_idempotency_key ON credit_ledger (user_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;

-- History never changes, with one exception: the free text of an entry can be erased, as a whole.
CREATE FUNCTION credit_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  erased credit_ledger;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    erased := OLD;
    erased.reason := NULL;
    erased.ref := NULL;
    erased.metadata := NULL;
    IF NEW IS NOT DISTINCT FROM erased THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'credit_ledger is append-only: % is refused', TG_OP
    USING ERRCODE = 'restrict_violation',
          HINT = 'Correct a balance by posting a new entry. '
                 'To erase text, set reason, ref and metadata to NULL, all three.';
END $$;

CREATE TRIGGER credit_ledger_keeps_entries
  BEFORE DELETE OR TRUNCATE ON credit_ledger
  FOR EACH STATEMENT EXECUTE FUNCTION credit_ledger_is_append_only();

CREATE TRIGGER credit_ledger_append_only
  BEFORE UPDATE ON credit_ledger
  FOR EACH ROW EXECUTE FUNCTION credit_ledger_is_append_only();

CREATE VIEW v_credit_balance AS
  SELECT c.user_id,
         coalesce(e.balance, 0)          AS balance,
         coalesce(e.balance - e.held, 0) AS available,
         e.created_at                    AS updated_at
    FROM stripe_customers c
    LEFT JOIN LATERAL (SELECT balance, held, created_at
                         FROM credit_ledger
                        WHERE user_id = c.user_id
                        ORDER BY seq DESC
                        LIMIT 1) e ON true;
