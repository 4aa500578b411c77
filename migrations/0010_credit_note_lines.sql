-- Which line of an invoice a grant was paid with, and what goes back of which line by credit notes.
-- What was granted before does not say: its payments are taken back as a whole.

ALTER TABLE credit_ledger ADD COLUMN invoice_line text COLLATE "C";

COMMENT ON COLUMN credit_ledger.invoice_line IS
  'grants: the line of an invoice (il_…) that was paid for it; null when none is known';

ALTER TABLE stripe_payments ADD COLUMN line_amounts jsonb;

COMMENT ON COLUMN stripe_payments.line_amounts IS
  'what each line of the invoice cost, discounts and tax included: {"il_…": amount}; null when that '
  'is not known, or does not add up to what was paid';

ALTER TABLE stripe_reversals
  ADD COLUMN line_amounts   jsonb,
  ADD COLUMN refund_amounts jsonb;

COMMENT ON COLUMN stripe_reversals.line_amounts IS
  'credit notes: what they give back of which lines of their invoice: {"il_…": amount}; null when '
  'they name none';
COMMENT ON COLUMN stripe_reversals.refund_amounts IS
  'credit notes: the refunds that pay it back, beside their own amount: {"re_…": amount}';
COMMENT ON COLUMN stripe_reversals.amount IS
  'in the currency''s smallest unit; of a credit note what it gives back beside its refunds';

-- How much of an invoice's lines has gone back by name: of each live credit note the share of it
-- that is paid back by now, since its refunds may be under way or have failed. Never more than the
-- line cost: what is beyond it has gone back, too, but not of this line.
CREATE VIEW v_invoice_line_reversed AS
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
             LEFT JOIN (stripe_reversals r
                        JOIN stripe_payment_aliases ra ON ra.alias = r.payment_name)
                    ON r.id = part.key AND r.currency = n.currency AND ra.payment = a.payment
            WHERE a.payment = p.payment AND n.live AND n.currency = p.currency
              AND n.line_amounts IS NOT NULL
            GROUP BY n.id
         ) AS note ON note.amount > 0
   GROUP BY p.payment, line.key, line.value;
