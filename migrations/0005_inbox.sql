-- The inbox for years: payloads go after a while, what became of each event stays.

ALTER TABLE stripe_events
  ALTER COLUMN payload DROP NOT NULL,
  ADD COLUMN payload_removed_at timestamptz,
  -- NOT VALID: every row has its payload, so that none needs a look.
  ADD CONSTRAINT payload_or_when_it_went CHECK ((payload IS NULL) = (payload_removed_at IS NOT NULL))
    NOT VALID,
  ADD CONSTRAINT open_has_its_payload CHECK (payload IS NOT NULL OR settled_at IS NOT NULL)
    NOT VALID;

COMMENT ON COLUMN stripe_events.payload IS
  'the body as it was signed; null once it was removed, some time after the event was settled';

-- Whose payload goes next.
CREATE INDEX stripe_events_payload_age ON stripe_events (settled_at)
  WHERE settled_at IS NOT NULL AND payload IS NOT NULL;
