import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { inTransaction } from '../db/transaction.ts';
import type { AlertType } from '../ledger/core/alert.ts';
import { makeSecret } from './signing.ts';

/** Where alerts are delivered; times in milliseconds since 1970, null for never. */
export interface Endpoint {
  readonly id: string;
  readonly url: string;
  /** Which alerts it wants; null for all. May hold types of a later release. */
  readonly types: readonly string[] | null;
  readonly createdAt: number;
  readonly disabledAt: number | null;
  readonly disabledReason: string | null;
  /** Attempts that failed since the last success, and since when. */
  readonly failures: number;
  readonly failingSince: number | null;
  /** How long secrets before the current one sign, too. */
  readonly previousUntil: number | null;
  /** Alerts that wait to be delivered. */
  readonly pending: number;
}

export interface NewEndpoint {
  /** Checked by `checkUrl`. */
  readonly url: string;
  readonly types: readonly AlertType[] | null;
}

/** How many there may be at once: each alert is filed for each of them. */
export const MOST_ENDPOINTS = 10;
/** How long both secrets sign after a rotation, in hours, unless something else is said. */
export const OVERLAP = { usual: 24, most: 720 } as const;
/** How many secrets before the current one sign at most: each lengthens a header. */
const EARLIER_SECRETS = 9;

const milliseconds = (column: string, name: string) =>
  `floor(extract(epoch FROM ${column}) * 1000)::bigint AS "${name}"`;

const INSERT_ENDPOINT = `
  INSERT INTO webhook_endpoints (id, url, types, secret)
  SELECT $1, $2, $3, $4
   WHERE (SELECT count(*) FROM webhook_endpoints WHERE deleted_at IS NULL) < ${MOST_ENDPOINTS}`;

/**
 * Makes an endpoint, which gets what happens from now on. Its secret is returned here and is never
 * to be had again.
 * @returns null when there are `MOST_ENDPOINTS` already
 */
export async function createEndpoint(
  pool: Pool,
  { url, types }: NewEndpoint,
): Promise<{ readonly id: string; readonly secret: string } | null> {
  const made = { id: `we_${randomBytes(9).toString('base64url')}`, secret: makeSecret() };
  return inTransaction(pool, async (client) => {
    // Who makes one counts those that another has made; the mode keeps nobody else waiting.
    await client.query('LOCK TABLE webhook_endpoints IN SHARE UPDATE EXCLUSIVE MODE');
    const { rowCount } = await client.query(INSERT_ENDPOINT, [made.id, url, types, made.secret]);
    return rowCount === 1 ? made : null;
  });
}

/** The endpoints that are not deleted, the oldest first. */
export async function listEndpoints(pool: Pool): Promise<readonly Endpoint[]> {
  const { rows } = await pool.query<Endpoint>(
    `SELECT id, url, types, failures, disabled_reason AS "disabledReason",
            ${milliseconds('created_at', 'createdAt')},
            ${milliseconds('disabled_at', 'disabledAt')},
            ${milliseconds('failing_since', 'failingSince')},
            ${milliseconds('(SELECT max(until) FROM earlier_secrets(e))', 'previousUntil')},
            (SELECT count(*) FROM alert_deliveries d WHERE d.endpoint_id = e.id AND state = 'pending')
              AS pending
       FROM webhook_endpoints e
      WHERE deleted_at IS NULL
      ORDER BY created_at, id`,
  );
  return rows;
}

/**
 * Changes where alerts go, also those that wait, or which are wanted from now on; what is left out
 * stays. Another URL has failed nothing yet.
 * @returns whether there is such an endpoint
 */
export async function updateEndpoint(
  pool: Pool,
  id: string,
  { url, types }: Partial<NewEndpoint>,
): Promise<boolean> {
  const done = await change(
    pool,
    `UPDATE webhook_endpoints
        SET url = coalesce($2, url), types = CASE WHEN $3 THEN $4 ELSE types END,
            failures = CASE WHEN url <> $2 THEN 0 ELSE failures END,
            failing_since = CASE WHEN url <> $2 THEN NULL ELSE failing_since END
      WHERE id = $1 AND deleted_at IS NULL`,
    [id, url, types !== undefined, types],
  );
  if (url !== undefined) await endPauses(pool, id);
  return done;
}

/**
 * Stops deliveries; what happens meanwhile is filed and waits.
 * @returns whether there is such an endpoint
 */
export function disableEndpoint(pool: Pool, id: string): Promise<boolean> {
  return change(
    pool,
    `UPDATE webhook_endpoints
        SET disabled_at = coalesce(disabled_at, now()),
            disabled_reason = coalesce(disabled_reason, 'it was disabled by hand')
      WHERE id = $1 AND deleted_at IS NULL`,
    [id],
  );
}

/**
 * Delivers again, first what waits, without the pauses that earlier failures have earned.
 * @returns whether there is such an endpoint
 */
export async function enableEndpoint(pool: Pool, id: string): Promise<boolean> {
  const done = await change(
    pool,
    `UPDATE webhook_endpoints
        SET disabled_at = NULL, disabled_reason = NULL, failures = 0, failing_since = NULL
      WHERE id = $1 AND deleted_at IS NULL`,
    [id],
  );
  await endPauses(pool, id);
  return done;
}

// Not with a change of the endpoint: whoever writes the end of an attempt locks the delivery first.
async function endPauses(pool: Pool, id: string): Promise<void> {
  await pool.query(
    `UPDATE alert_deliveries SET next_attempt_at = now(), retries = 0
      WHERE endpoint_id = $1 AND state = 'pending' AND retries > 0`,
    [id],
  );
}

/**
 * Deletes an endpoint for good, and its secrets; what was delivered to it stays on record.
 * @returns whether there was such an endpoint
 */
export function deleteEndpoint(pool: Pool, id: string): Promise<boolean> {
  return change(
    pool,
    `UPDATE webhook_endpoints
        SET deleted_at = now(), secret = NULL, previous_secret = NULL, previous_until = NULL,
            older_secrets = '[]'
      WHERE id = $1 AND deleted_at IS NULL`,
    [id],
  );
}

/**
 * Makes another secret; the one before signs too for `overlap` hours, and those before that as long
 * as was said then. An overlap of 0 ends them all.
 * @returns the secret, which is never to be had again; null when there is no such endpoint
 */
export async function rotateSecret(
  pool: Pool,
  id: string,
  overlap: number,
): Promise<string | null> {
  const secret = makeSecret();
  const done = await change(
    pool,
    `UPDATE webhook_endpoints e
        SET previous_secret = secret, previous_until = now() + $3 * interval '1 hour', secret = $2,
            older_secrets = (SELECT coalesce(jsonb_agg(to_jsonb(older)), '[]')
                               FROM (SELECT * FROM earlier_secrets(e)
                                      LIMIT CASE $3 WHEN 0 THEN 0 ELSE ${EARLIER_SECRETS - 1} END) older)
      WHERE id = $1 AND deleted_at IS NULL`,
    [id, secret, overlap],
  );
  return done ? secret : null;
}

async function change(pool: Pool, sql: string, values: readonly unknown[]): Promise<boolean> {
  return (await pool.query(sql, [...values])).rowCount === 1;
}
