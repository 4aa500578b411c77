-- Statements that are asked for by kind: an account has few entries of all other kinds than these
-- four, however much it spends, and the index costs nothing where credits are spent.
CREATE INDEX credit_ledger_seldom ON credit_ledger (user_id, seq)
  WHERE kind NOT IN ('debit', 'hold', 'capture', 'release');
