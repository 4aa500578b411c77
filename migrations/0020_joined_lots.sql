-- The grants that joined a lot of the same terms, which only accounts with very many lots have: what
-- a reversal gives back depends on whether any of them was clawed back.

CREATE INDEX credit_ledger_joined ON credit_ledger (user_id, lot) WHERE lot <> seq;
