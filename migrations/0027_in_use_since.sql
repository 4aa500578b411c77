-- What was there is told as it is used by now.

COMMENT ON COLUMN stripe_account.recorded_at IS
  'since when this database is in use with that account: what was paid before is not its to grant, '
  'unless somebody asks for it';
COMMENT ON TABLE stripe_user_aliases IS
  'The user that a customer (cus_), a subscription (sub_) or a payment (cs_, in_) stands for, learned '
  'from a checkout or told by an operator; beside stripe_customers.stripe_customer_id, since guests '
  'have many customers.';
