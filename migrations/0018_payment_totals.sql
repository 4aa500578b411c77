-- What a payment cost, beside what was paid of it: the rest is what an authorization released, which
-- before Stripe's API version 2025-03-31.basil looks like a refund. Null where a release before
-- recorded the payment: then Stripe is asked.
ALTER TABLE stripe_payments ADD COLUMN amount_total bigint;

COMMENT ON COLUMN stripe_payments.amount_total IS
  'What it cost, tax included; null when that was not recorded.';
