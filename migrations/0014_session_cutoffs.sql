-- Revoked sessions: a user's tokens that were issued before this moment are no longer accepted.

CREATE TABLE session_cutoffs (
  user_id     text COLLATE "C" PRIMARY KEY,
  valid_after timestamptz NOT NULL,
  CONSTRAINT user_id_length CHECK (length(user_id) BETWEEN 1 AND 255)
);

COMMENT ON TABLE session_cutoffs IS
  'One row per user whose sessions were ever revoked. Not in stripe_customers: no debit waits for '
  'a revocation, and a user without credits has sessions, too.';

-- Servers ask again and again what has come since they last asked.
CREATE INDEX session_cutoffs_valid_after ON session_cutoffs (valid_after);
