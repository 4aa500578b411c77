-- What each price gives and under which terms, as the operator wrote it; and what Stripe says of
-- the price itself.

CREATE TABLE catalogue_prices (
  price       text COLLATE "C" NOT NULL,
  version     integer     NOT NULL,
  source      text        NOT NULL,
  credits     bigint      NOT NULL,
  category    text,
  expires     text        NOT NULL,
  trial       text        NOT NULL,
  free        text        NOT NULL,
  name        text,
  description text,
  for_sale    boolean     NOT NULL,
  withdrawn   boolean     NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (price, version),
  CONSTRAINT price_length     CHECK (length(price) BETWEEN 1 AND 255),
  CONSTRAINT version_from_one CHECK (version >= 1),
  CONSTRAINT source_known     CHECK (source IN ('env', 'file', 'stripe')),
  CONSTRAINT credits_bounded  CHECK (credits BETWEEN 0 AND 1000000000000),
  CONSTRAINT category_known   CHECK (category IN ('purchase', 'included', 'bonus')),
  CONSTRAINT expires_known    CHECK (expires IN ('never', 'period_end')
                                     OR expires ~ '^[1-9][0-9]{0,3} days?$'),
  CONSTRAINT trial_known      CHECK (trial IN ('none', 'grant')),
  CONSTRAINT free_known       CHECK (free IN ('none', 'grant'))
);

COMMENT ON TABLE catalogue_prices IS
  'Terms of prices, append-only: a source that says something new adds a version. The ledger''s '
  'grants name the version under which they were given.';
COMMENT ON COLUMN catalogue_prices.version IS 'counts over all sources of the price';
COMMENT ON COLUMN catalogue_prices.source IS
  'env: STRIPE_PRICE_TO_CREDITS_JSON; file: the catalogue file; stripe: metadata of the Price';
COMMENT ON COLUMN catalogue_prices.credits IS 'for one unit; 0: known, gives nothing';
COMMENT ON COLUMN catalogue_prices.category IS 'null: by the kind of payment';
COMMENT ON COLUMN catalogue_prices.expires IS 'never, such as 30 days, or period_end';
COMMENT ON COLUMN catalogue_prices.trial IS 'whether an invoice line that costs nothing grants';
COMMENT ON COLUMN catalogue_prices.free IS 'whether a line that was discounted to nothing grants';
COMMENT ON COLUMN catalogue_prices.withdrawn IS
  'the source names the price no more: known for renewals, but not for sale';

CREATE FUNCTION catalogue_prices_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'catalogue_prices is append-only: % is refused', TG_OP
    USING ERRCODE = 'restrict_violation',
          HINT = 'Publish other terms; they become a version of their own.';
END
$$;

CREATE TRIGGER catalogue_prices_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON catalogue_prices
  FOR EACH STATEMENT EXECUTE FUNCTION catalogue_prices_is_append_only();

CREATE TABLE stripe_prices (
  price          text COLLATE "C" PRIMARY KEY,
  name           text,
  description    text,
  amount         bigint,
  currency       text        NOT NULL,
  interval_unit  text,
  interval_count integer,
  active         boolean     NOT NULL,
  synced_at      timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT recurring_is_whole CHECK ((interval_unit IS NULL) = (interval_count IS NULL))
);

COMMENT ON TABLE stripe_prices IS
  'Stripe''s Prices at the last `purser prices sync`, for display only. Without versions: amount, '
  'currency and interval of a Price never change.';
COMMENT ON COLUMN stripe_prices.name IS 'the product''s';
COMMENT ON COLUMN stripe_prices.amount IS
  'in the currency''s smallest unit; null when it is no whole number of them or depends on quantity';

-- A price may have terms from several sources. Of those that still name it env outranks file, and
-- file outranks stripe; when none does, the terms hold that were in force last, and those are the
-- ones withdrawn last.
CREATE VIEW v_catalogue AS
  SELECT DISTINCT ON (price)
         price, version, source, credits, category, expires, trial, free, name, description,
         for_sale AND NOT withdrawn AS for_sale
    FROM (SELECT DISTINCT ON (price, source) *
            FROM catalogue_prices
           ORDER BY price, source, version DESC) AS latest
   ORDER BY price, withdrawn,
            CASE WHEN withdrawn THEN 0
                 ELSE array_position(ARRAY['env', 'file', 'stripe'], source) END,
            version DESC;

COMMENT ON VIEW v_catalogue IS 'The terms that are in force for each price that was ever known.';
