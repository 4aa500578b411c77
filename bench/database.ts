import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate } from '../src/db/migrate.ts';
import { types } from '../src/db/pool.ts';
import { CLASSIC_TABLE } from './classic.ts';
import type { Variant } from './scenarios.ts';

/** The database of one variant, as the benchmark sees it from outside. */
export interface BenchDatabase {
  readonly url: string;
  readonly variant: Variant;
  readonly client: pg.Client;
}

/** What must be on, or the figures would be those of a database that forgets. */
const DURABILITY = ['fsync', 'synchronous_commit', 'full_page_writes'] as const;

const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url));

/** The credits that each account begins with: nobody runs out. */
const GRANT = 1_200_000_000_000;

/** Makes a database of its own, with the tables of both variants, on the given Postgres. */
export async function createDatabase(adminUrl: string, variant: Variant): Promise<BenchDatabase> {
  const admin = await connect(adminUrl);
  await admin.query(`CREATE DATABASE bench_${variant}`).finally(() => admin.end());
  const url = new URL(adminUrl);
  url.pathname = `bench_${variant}`;
  await migrate(url.href, { folder: MIGRATIONS });
  const client = await connect(url.href);
  await client.query(CLASSIC_TABLE);
  return { url: url.href, variant, client };
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, types });
  await client.connect();
  return client;
}

/** The version, and the settings that make a commit durable; throws unless all of them are on. */
export async function readDurability(adminUrl: string): Promise<string> {
  const admin = await connect(adminUrl);
  const show = async (setting: string) => (await admin.query(`SHOW ${setting}`)).rows[0][setting];
  try {
    const facts = [`Postgres ${await show('server_version')}`];
    for (const setting of DURABILITY) {
      const value = await show(setting);
      if (value !== 'on') throw new Error(`${setting} is ${value}; only what lasts is measured`);
      facts.push(`${setting} ${value}`);
    }
    return facts.join(', ');
  } finally {
    await admin.end();
  }
}

// Grants, of which the last never expires, then debits of 1. The hashes are no chain (nothing
// verifies them here); everything that the path of a debit reads is as the server would have written
// it.
const PURSER_HISTORY = `
  INSERT INTO credit_ledger (user_id, seq, id, kind, delta, balance, held, lot, expires_at, draws,
                             actor, created_at, hash, state)
  SELECT user_id, seq, gen_random_uuid(),
         CASE WHEN seq <= $3 THEN 'purchase' ELSE 'debit' END,
         CASE WHEN seq <= $3 THEN ${GRANT} / $3 ELSE -1 END,
         ${GRANT} / $3 * least(seq, $3) - greatest(seq - $3, 0), 0,
         CASE WHEN seq <= $3 THEN seq END,
         CASE WHEN seq < $3 THEN expiry END,
         CASE WHEN seq > $3 THEN '[{"lot": 1, "amount": 1}]'::jsonb END,
         'system', date_trunc('milliseconds', clock_timestamp()), sha256(int8send(seq)),
         jsonb_build_object('debt', 0, 'lots', (
           SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                    'seq', lot, 'category', 'purchase',
                    'free', ${GRANT} / $3 - CASE lot WHEN 1 THEN greatest(seq - $3, 0) ELSE 0 END,
                    'expires_at', CASE WHEN lot < $3 THEN (extract(epoch FROM expiry) * 1000)::bigint END))
                  ORDER BY lot)
             FROM generate_series(1, least(seq, $3)) AS lot))
    FROM unnest($1::text[]) AS u (user_id), generate_series(1, $2::bigint) AS seq,
         (SELECT date_trunc('day', now()) + interval '1 year') AS e (expiry)`;

const CLASSIC_HISTORY = `
  INSERT INTO classic_ledger (user_id, delta, reason)
  SELECT user_id, CASE seq WHEN 1 THEN ${GRANT} ELSE -1 END, 'benchmark'
    FROM unnest($1::text[]) AS u (user_id), generate_series(1, $2::bigint) AS seq`;

/**
 * Gives each user a history of so many entries, of which the first are grants that open a lot each,
 * past the triggers that would take a minute.
 */
export async function createAccounts(
  { client, variant }: BenchDatabase,
  users: readonly string[],
  { entries, lots }: { readonly entries: number; readonly lots: number },
): Promise<void> {
  await client.query('BEGIN; SET LOCAL session_replication_role = replica');
  await client.query('INSERT INTO stripe_customers (user_id) SELECT unnest($1::text[])', [users]);
  if (variant === 'purser') await client.query(PURSER_HISTORY, [users, entries, lots]);
  else await client.query(CLASSIC_HISTORY, [users, entries]);
  await client.query('COMMIT');
}

/** Leaves nothing for the first samples to clean up: statistics, visibility, dirty pages. */
export async function settleDatabase({ client }: BenchDatabase): Promise<void> {
  await client.query('VACUUM ANALYZE');
  await client.query('CHECKPOINT');
}

export interface Totals {
  readonly entries: number;
  /** How many accounts do not add up. */
  readonly wrong: number;
}

const PURSER_TOTALS = `
  SELECT coalesce(sum(entries), 0)::bigint AS entries,
         count(*) FILTER (WHERE spent <> debits OR newest <> entries OR balance <> total) AS wrong
    FROM (SELECT count(*) FILTER (WHERE delta < 0) AS debits, count(*) AS entries,
                 max(seq) AS newest, sum(delta) AS total,
                 (max(ARRAY[seq, balance]))[2] AS balance,
                 -sum(delta) FILTER (WHERE delta < 0) AS spent
            FROM credit_ledger GROUP BY user_id) AS account`;

const CLASSIC_TOTALS = `
  SELECT coalesce(sum(entries), 0)::bigint AS entries,
         count(*) FILTER (WHERE total <> ${GRANT} - (entries - 1)) AS wrong
    FROM (SELECT count(*) AS entries, sum(delta) AS total
            FROM classic_ledger GROUP BY user_id) AS account`;

/**
 * Adds up every account: the balance must be what was granted minus what was taken, each debit
 * took 1 if any, and Purser's entries are numbered without gaps.
 */
export async function addUp({ client, variant }: BenchDatabase): Promise<Totals> {
  const { rows } = await client.query(variant === 'purser' ? PURSER_TOTALS : CLASSIC_TOTALS);
  return rows[0];
}
