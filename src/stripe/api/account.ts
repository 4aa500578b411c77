import type { Pool } from 'pg';
import { Stripe } from 'stripe';
import { isId } from '../shapes/json.ts';

/** Whether this database may be served with this key. */
export type AccountCheck =
  | {
      readonly ok: true;
      /** Null when Stripe did not tell: only the mode has been compared. */
      readonly account: string | null;
    }
  | { readonly ok: false; readonly problem: string };

export interface AccountCheckOptions {
  readonly pool: Pool;
  readonly client: Stripe;
  readonly livemode: boolean;
  /** False to compare only, as a run does that writes nothing. */
  readonly records: boolean;
  /** Whether it may be a simulated Stripe, whose payments cost nothing; never in production. */
  readonly takesSimulated: boolean;
}

/** How the accounts of simulated Stripes begin; those of Stripe have no underscore there. */
const SIMULATED = 'acct_sim_';

/** How long the boot waits for Stripe, in milliseconds. */
const TIMEOUT = 3_000;

/**
 * Records mode and account at the first boot, and refuses another mode or account ever after: a
 * test key on the production database would sell real credits for test cards. When Stripe does
 * not answer the mode alone decides, because an outage of theirs must not keep credits from being
 * spent; the account is then recorded at a later boot.
 */
export async function checkStripeAccount(options: AccountCheckOptions): Promise<AccountCheck> {
  const { pool, client, livemode, records, takesSimulated } = options;
  const told = await askForAccount(client);
  if (told === 'refused') return { ok: false, problem: 'Stripe does not accept the secret key' };
  const known = told ?? (await readRecord(pool))?.account;
  if (!takesSimulated && known?.startsWith(SIMULATED)) {
    return { ok: false, problem: `it is for a simulated Stripe (${known}), where no money moves` };
  }
  const recorded = records ? await record(pool, livemode, told) : await readRecord(pool);
  if (recorded === null) return { ok: true, account: told };
  if (recorded.livemode !== livemode) {
    return {
      ok: false,
      problem:
        `this database belongs to ${modeOf(recorded.livemode)}, but the Stripe key is for ` +
        `${modeOf(livemode)}; use another database for it`,
    };
  }
  if (told !== null && recorded.account !== null && recorded.account !== told) {
    return {
      ok: false,
      problem:
        `this database belongs to the Stripe account ${recorded.account}, but the key is for ` +
        `${told}; use another database for it`,
    };
  }
  return { ok: true, account: told };
}

const modeOf = (livemode: boolean) => (livemode ? 'live mode' : 'test mode');

/** The account of the key; null when Stripe is away or a restricted key may not ask. */
async function askForAccount(client: Stripe): Promise<string | null | 'refused'> {
  try {
    const options = { timeout: TIMEOUT, maxNetworkRetries: 0 };
    const { id } = await client.accounts.retrieveCurrent({}, options);
    return isId(id) ? id : null;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeAuthenticationError) return 'refused';
    if (error instanceof Stripe.errors.StripeError) return null;
    throw error;
  }
}

interface AccountRecord {
  readonly livemode: boolean;
  readonly account: string | null;
}

/** Records what is not recorded yet, and returns what is: of two servers that boot, one wins. */
async function record(
  pool: Pool,
  livemode: boolean,
  account: string | null,
): Promise<AccountRecord> {
  const { rows } = await pool.query<AccountRecord>(
    `INSERT INTO stripe_account AS a (livemode, account) VALUES ($1, $2)
         ON CONFLICT (singleton) DO UPDATE
        SET account = CASE WHEN a.livemode = excluded.livemode
                           THEN coalesce(a.account, excluded.account)
                           ELSE a.account END
     RETURNING livemode, account`,
    [livemode, account],
  );
  const [row] = rows;
  if (!row) throw new Error('stripe_account returned no row');
  return row;
}

async function readRecord(pool: Pool): Promise<AccountRecord | null> {
  const { rows } = await pool.query<AccountRecord>('SELECT livemode, account FROM stripe_account');
  return rows[0] ?? null;
}

/**
 * When this database came to belong to its Stripe account, which is at the first boot with a key:
 * what was paid before is not its to grant. Null when it does not yet.
 */
export async function inUseSince(pool: Pool): Promise<Date | null> {
  const { rows } = await pool.query<{ at: Date }>('SELECT recorded_at AS at FROM stripe_account');
  return rows[0]?.at ?? null;
}
