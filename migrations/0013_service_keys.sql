-- Service keys: who may call for any user, and what they may do.

CREATE TABLE service_keys (
  prefix       text COLLATE "C" PRIMARY KEY,
  digest       bytea       NOT NULL UNIQUE,
  name         text        NOT NULL,
  scopes       text[]      NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  last_used_at timestamptz,
  CONSTRAINT prefix_of_a_key  CHECK (prefix ~ '^purser_sk_[A-Za-z0-9_-]{8}$'),
  CONSTRAINT digest_is_sha256 CHECK (octet_length(digest) = 32),
  CONSTRAINT name_length      CHECK (length(name) BETWEEN 1 AND 100),
  CONSTRAINT scopes_not_empty CHECK (cardinality(scopes) > 0)
);

COMMENT ON TABLE service_keys IS
  'Keys with which servers call. A row stays when its key is revoked: the ledger names it.';
COMMENT ON COLUMN service_keys.prefix IS
  'how the key begins; names it in lists, in logs and, after "key:", as the actor of entries';
COMMENT ON COLUMN service_keys.digest IS
  'SHA-256 of the key, which is stored nowhere: 256 random bits need no slow hash';
COMMENT ON COLUMN service_keys.scopes IS
  'credits:read, credits:spend, credits:grant, admin; a release ignores those it does not know';
COMMENT ON COLUMN service_keys.last_used_at IS 'written at most once a minute';
