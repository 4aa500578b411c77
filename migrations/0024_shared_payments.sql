-- What goes back of a payment intent that paid several invoices is theirs together, and spread over
-- what has not gone back of each by itself. So it does not matter which of them was told first.

CREATE INDEX stripe_shared_names_payment ON stripe_shared_names (payment);

COMMENT ON TABLE stripe_shared_names IS
  'Further invoices that the payment intent or charge of an alias paid, beside the one it belongs to.';

-- Functions instead of views, so that each look-up is planned for one name or payment.

CREATE FUNCTION shared_names_of(payment text) RETURNS SETOF text LANGUAGE sql STABLE BEGIN ATOMIC
  SELECT a.alias
    FROM stripe_payment_aliases a
   WHERE a.payment = shared_names_of.payment
     AND EXISTS (SELECT FROM stripe_shared_names s WHERE s.alias = a.alias)
   UNION
  SELECT s.alias
    FROM stripe_payment_aliases own
    JOIN stripe_shared_names s ON s.payment = own.alias
   WHERE own.payment = shared_names_of.payment;
END;

COMMENT ON FUNCTION shared_names_of IS
  'The payment intents and charges that paid this invoice and others.';

CREATE FUNCTION payments_sharing(name text) RETURNS SETOF text LANGUAGE sql STABLE BEGIN ATOMIC
  SELECT a.payment FROM stripe_payment_aliases a WHERE a.alias = name
   UNION
  SELECT own.payment
    FROM stripe_shared_names s
    JOIN stripe_payment_aliases own ON own.alias = s.payment
   WHERE s.alias = name;
END;

COMMENT ON FUNCTION payments_sharing IS
  'All payments that the name stands for: several where it is a payment intent or charge that paid '
  'several invoices.';

CREATE FUNCTION reversed_alone(paid stripe_payments) RETURNS numeric LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT least(paid.amount_paid,
               coalesce(sum(CASE WHEN r.currency = paid.currency THEN r.amount
                                 ELSE paid.amount_paid END), 0))
    FROM stripe_payment_aliases a
    JOIN stripe_reversals r ON r.payment_name = a.alias
   WHERE a.payment = paid.payment AND r.live
     AND NOT EXISTS (SELECT FROM stripe_shared_names s WHERE s.alias = a.alias);
END;

COMMENT ON FUNCTION reversed_alone IS
  'How much of a payment has gone back by names that are its own. What is in another currency '
  'counts as full.';

CREATE FUNCTION reversed_together(paid stripe_payments) RETURNS numeric LANGUAGE sql STABLE
BEGIN ATOMIC
  -- Each part ends where the next one begins: so they come to the whole, whatever is rounded.
  SELECT coalesce(sum(div(back.amount * upto, total)
                      - div(back.amount * (upto - rest), total)), 0)
    FROM shared_names_of(paid.payment) AS name
   CROSS JOIN LATERAL (
          SELECT p.payment, rest, sum(rest) OVER () AS total,
                 sum(rest) OVER (ORDER BY p.payment) AS upto
            FROM payments_sharing(name) AS key
            JOIN stripe_payments p ON p.payment = key
           CROSS JOIN LATERAL (SELECT p.amount_paid - reversed_alone(p)) AS s (rest)
         ) AS sharing
   CROSS JOIN LATERAL (
          SELECT least(total, coalesce(sum(CASE WHEN r.currency = paid.currency THEN r.amount
                                                ELSE total END), 0))
            FROM stripe_reversals r
           WHERE r.payment_name = name AND r.live
         ) AS back (amount)
   WHERE sharing.payment = paid.payment AND total > 0;
END;

COMMENT ON FUNCTION reversed_together IS
  'Its part of what has gone back by the names that a payment shares, in proportion to what is left '
  'of each payment that shares them.';

CREATE OR REPLACE VIEW v_payment_reversed AS
  SELECT payment, amount_paid,
         least(amount_paid, reversed_alone(p) + reversed_together(p))::bigint AS amount_reversed
    FROM stripe_payments p;
