-- Whether a price gives credits on invoices that no subscription made. What was published before
-- said nothing of it: none.

ALTER TABLE catalogue_prices
  ADD COLUMN manual text NOT NULL DEFAULT 'none',
  ADD CONSTRAINT manual_known CHECK (manual IN ('none', 'grant'));

COMMENT ON COLUMN catalogue_prices.manual IS
  'whether a line of an invoice that no subscription made grants';

-- At the end, because a view's columns keep their places.
CREATE OR REPLACE VIEW v_catalogue AS
  SELECT DISTINCT ON (price)
         price, version, source, credits, category, expires, trial, free, name, description,
         for_sale AND NOT withdrawn AS for_sale, manual
    FROM (SELECT DISTINCT ON (price, source) *
            FROM catalogue_prices
           ORDER BY price, source, version DESC) AS latest
   ORDER BY price, withdrawn,
            CASE WHEN withdrawn THEN 0
                 ELSE array_position(ARRAY['env', 'file', 'stripe'], source) END,
            version DESC;
