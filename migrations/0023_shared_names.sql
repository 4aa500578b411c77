-- A payment intent may pay several invoices. Its refunds are the first's, unless a credit note says
-- that they are another's.
CREATE TABLE stripe_shared_names (
  alias   text COLLATE "C",
  payment text COLLATE "C",
  PRIMARY KEY (alias, payment)
);

COMMENT ON TABLE stripe_shared_names IS
  'Further invoices that the payment intent or charge of an alias paid, beside the one it belongs to.';

-- Finds the credit notes that a refund pays.
CREATE INDEX stripe_reversals_refund_amounts ON stripe_reversals USING gin (refund_amounts);
