-- A refund of a payment intent that paid several invoices may pay the credit notes of several of
-- them: each note says how much of it. What no note says is spread, as before. So the refund stays
-- under the name by which it was told, and what notes say of it is worked out when it is asked for.

CREATE FUNCTION names_of(payment text) RETURNS SETOF text LANGUAGE sql STABLE BEGIN ATOMIC
  SELECT a.alias FROM stripe_payment_aliases a WHERE a.payment = names_of.payment
   UNION
  SELECT s.alias
    FROM stripe_payment_aliases own
    JOIN stripe_shared_names s ON s.payment = own.alias
   WHERE own.payment = names_of.payment;
END;

COMMENT ON FUNCTION names_of IS 'All names of a payment, those that it shares with others, too.';

CREATE OR REPLACE FUNCTION shared_names_of(payment text) RETURNS SETOF text LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT name
    FROM names_of(shared_names_of.payment) AS name
   WHERE EXISTS (SELECT FROM stripe_shared_names s WHERE s.alias = name);
END;

CREATE FUNCTION noted_parts(payment text)
RETURNS TABLE (refund text, name text, amount numeric, part numeric) LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT r.id, r.payment_name, r.amount, sum(part.value::bigint)
    FROM stripe_payment_aliases a
    JOIN stripe_reversals note ON note.payment_name = a.alias
   CROSS JOIN LATERAL jsonb_each_text(note.refund_amounts) AS part
    JOIN stripe_reversals r ON r.id = part.key
   WHERE a.payment = noted_parts.payment AND note.live AND r.live AND r.currency = note.currency
     AND r.payment_name IN (SELECT shared_names_of(noted_parts.payment))
   GROUP BY r.id;
END;

COMMENT ON FUNCTION noted_parts IS
  'The refunds of payment intents and charges that paid this invoice and others, and how much of '
  'each its credit notes say is for it.';

CREATE FUNCTION noted_refunds(payment text)
RETURNS TABLE (refund text, name text, amount numeric) LANGUAGE sql STABLE BEGIN ATOMIC
  -- No more than there is goes to all that share it, whatever their notes say.
  SELECT own.refund, own.name, div(own.amount * own.part, greatest(own.amount, said.part, 1))
    FROM noted_parts(noted_refunds.payment) AS own
   CROSS JOIN LATERAL (
          SELECT sum(other.part)
            FROM payments_sharing(own.name) AS key
           CROSS JOIN LATERAL noted_parts(key) AS other
           WHERE other.refund = own.refund
         ) AS said (part);
END;

COMMENT ON FUNCTION noted_refunds IS
  'How much of the refunds that this invoice shares with others is for its credit notes: as they '
  'say, but together no more than was refunded. One in another currency than its note is not.';

CREATE OR REPLACE FUNCTION reversed_alone(paid stripe_payments) RETURNS numeric LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT least(paid.amount_paid,
               coalesce(sum(CASE WHEN r.currency = paid.currency THEN r.amount
                                 ELSE paid.amount_paid END), 0)
               + (SELECT coalesce(sum(noted.amount), 0) FROM noted_refunds(paid.payment) AS noted))
    FROM stripe_payment_aliases a
    JOIN stripe_reversals r ON r.payment_name = a.alias
   WHERE a.payment = paid.payment AND r.live
     AND NOT EXISTS (SELECT FROM stripe_shared_names s WHERE s.alias = a.alias);
END;

COMMENT ON FUNCTION reversed_alone IS
  'How much of a payment has gone back by names that are its own, or pays its credit notes. What is '
  'in another currency counts as full.';

CREATE OR REPLACE FUNCTION reversed_together(paid stripe_payments) RETURNS numeric LANGUAGE sql STABLE
BEGIN ATOMIC
  -- Each part ends where the next one begins: so they come to the whole, whatever is rounded.
  SELECT coalesce(sum(div(back.amount * upto, total)
                      - div(back.amount * (upto - rest), total)), 0)
    FROM shared_names_of(paid.payment) AS shared (name)
   CROSS JOIN LATERAL (
          SELECT p.payment, rest, sum(rest) OVER () AS total,
                 sum(rest) OVER (ORDER BY p.payment) AS upto
            FROM payments_sharing(shared.name) AS key
            JOIN stripe_payments p ON p.payment = key
           CROSS JOIN LATERAL (SELECT p.amount_paid - reversed_alone(p)) AS s (rest)
         ) AS sharing
   CROSS JOIN LATERAL (
          SELECT coalesce(sum(noted.amount), 0)
            FROM payments_sharing(shared.name) AS key
           CROSS JOIN LATERAL noted_refunds(key) AS noted
           WHERE noted.name = shared.name
         ) AS told (amount)
   CROSS JOIN LATERAL (
          SELECT least(total,
                       greatest(0, coalesce(sum(CASE WHEN r.currency = paid.currency THEN r.amount
                                                     ELSE total END), 0) - told.amount))
            FROM stripe_reversals r
           WHERE r.payment_name = shared.name AND r.live
         ) AS back (amount)
   WHERE sharing.payment = paid.payment AND total > 0;
END;

COMMENT ON FUNCTION reversed_together IS
  'Its part of what has gone back by the names that a payment shares and no credit note tells whose '
  'it is, in proportion to what is left of each payment that shares them.';

-- A credit note's lines are paid back by its part of such a refund, too.
CREATE OR REPLACE VIEW v_invoice_line_reversed AS
  SELECT p.payment,
         line.key           AS invoice_line,
         line.value::bigint AS amount_paid,
         least(greatest(line.value::bigint, 0),
               coalesce(sum(div((note.line_amounts ->> line.key)::numeric * note.amount_reversed,
                                note.amount)), 0))::bigint
           AS amount_reversed
    FROM stripe_payments p
   CROSS JOIN LATERAL jsonb_each_text(p.line_amounts) AS line
    LEFT JOIN LATERAL (
           SELECT n.line_amounts,
                  n.amount + coalesce(sum(part.value::bigint), 0) AS amount,
                  n.amount + coalesce(sum(least(part.value::bigint, r.amount))
                                      FILTER (WHERE r.live), 0)   AS amount_reversed
             FROM stripe_payment_aliases a
             JOIN stripe_reversals n ON n.payment_name = a.alias
             LEFT JOIN LATERAL jsonb_each_text(n.refund_amounts) AS part ON true
             LEFT JOIN stripe_reversals r
                    ON r.id = part.key AND r.currency = n.currency
                   AND p.payment IN (SELECT payments_sharing(r.payment_name))
            WHERE a.payment = p.payment AND n.live AND n.currency = p.currency
              AND n.line_amounts IS NOT NULL
            GROUP BY n.id
         ) AS note ON note.amount > 0
   GROUP BY p.payment, line.key, line.value;

DROP INDEX stripe_reversals_refund_amounts;
