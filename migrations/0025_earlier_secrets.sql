-- A secret that is rotated twice within an overlap: the receiver may still hold the first one.

ALTER TABLE webhook_endpoints ADD COLUMN older_secrets jsonb NOT NULL DEFAULT '[]';

COMMENT ON COLUMN webhook_endpoints.previous_secret IS
  'the secret before the current one, which signs too until previous_until';
COMMENT ON COLUMN webhook_endpoints.older_secrets IS
  'those before that one, newest first, each as {"secret", "until"}';

CREATE FUNCTION earlier_secrets(endpoint webhook_endpoints)
RETURNS TABLE (secret text, until timestamptz) LANGUAGE sql STABLE AS $$
  SELECT one.secret, one.until
    FROM (SELECT 0 AS age, endpoint.previous_secret AS secret, endpoint.previous_until AS until
           UNION ALL
          SELECT age, older ->> 'secret', (older ->> 'until')::timestamptz
            FROM jsonb_array_elements(endpoint.older_secrets) WITH ORDINALITY AS o (older, age)) one
   WHERE one.until > now()
   ORDER BY age
$$;

COMMENT ON FUNCTION earlier_secrets IS
  'The secrets before the current one that sign, too, the newest first.';
