import type { Pool, PoolClient } from 'pg';
import type { BatchSession, BatchStatement } from '../../db/batch-session.ts';
import { coalesce } from '../../db/coalesce.ts';
import { inTransaction } from '../../db/transaction.ts';

/** The names of one payment, to be claimed for its grant key. */
interface Naming {
  readonly key: string;
  /** The key among them, each once; a charge right after the payment intent that made it. */
  readonly names: readonly string[];
}

/** The SQL of stripe_payment_aliases: one payment, however Stripe names it. */
export type PaymentNames = ReturnType<typeof createPaymentNames>;

/**
 * Claims names that were told apart from the payment, and wakes what waits for its user where an
 * operator has said by one of them who that is. Returns what `claim` does.
 */
export type LearnNames = (key: string, names: readonly string[]) => Promise<string>;

export function createPaymentNames(pool: Pool, session: BatchSession) {
  const claimOne = coalesce((namings: readonly Naming[]) => claimAll(session, namings));

  /**
   * Claims all names of a payment, and tells the one key under which it may be granted. Whoever
   * brings a payment posts it under that key, so it does not matter which of its events comes
   * first, fails or never returns: the ledger takes a grant key once. It comes before the grant,
   * because a check alone would let the session and the invoice of one payment both pass at the
   * same moment. Two invoices are never one payment: a payment intent that paid both is a name of
   * the first, which it shares with the other.
   * @param aliases a charge right after the payment intent that made it, if one did
   * @see https://docs.stripe.com/api/invoice-payment/object#invoice_payment_object-amount_paid
   */
  async function claim(key: string, aliases: readonly string[]): Promise<string> {
    const naming = { key, names: [...new Set([key, ...aliases])] };
    return (await claimOne(naming)) ?? claimAndJoin(pool, naming);
  }

  /**
   * Notes that names which are still to be claimed for another invoice paid this one, too. An attempt
   * that ends between the two looks again, since nothing is known by them yet.
   */
  async function share(key: string, names: readonly string[]): Promise<void> {
    await claim(key, []);
    await noteShared(pool, key, names);
  }

  return { claim, share };
}

/** @returns each payment's owner; null where it takes `claimAndJoin`, and nothing was changed */
async function claimAll(
  session: BatchSession,
  namings: readonly Naming[],
): Promise<readonly (string | null)[]> {
  const owners = new Map<Naming, string | null>();
  // Payments of one batch that share a name come one after the other: whoever was first owns.
  for (let rest = namings; rest.length > 0; ) {
    const turn = withoutSharedNames(rest);
    const found = await claimTurn(session, turn);
    for (const [i, naming] of turn.entries()) owners.set(naming, found[i] ?? null);
    rest = rest.filter((naming) => !owners.has(naming));
  }
  return namings.map((naming) => owners.get(naming) ?? null);
}

function withoutSharedNames(namings: readonly Naming[]): readonly Naming[] {
  const taken = new Set<string>();
  return namings.filter(({ names }) => {
    const isFree = !names.some((name) => taken.has(name));
    for (const name of names) taken.add(name);
    return isFree;
  });
}

const CLAIM: BatchStatement = {
  name: 'claim_names',
  durable: false,
  text: `WITH asked AS (
       SELECT n, key, alias COLLATE "C" AS alias
         FROM unnest($1::int[], $2::text[], $3::text[]) AS a (n, key, alias)
     ), known AS MATERIALIZED (
       SELECT alias FROM stripe_payment_aliases WHERE alias = ANY($3::text[])
     ), held AS MATERIALIZED (
       SELECT alias, payment
         FROM stripe_payment_aliases
        WHERE alias = ANY($3::text[])
        ORDER BY alias
          FOR NO KEY UPDATE SKIP LOCKED
     ), owned AS MATERIALIZED (
       SELECT n,
              CASE WHEN count(known.alias) > count(held.alias) THEN NULL
                   WHEN count(held.alias) = 0 THEN key
                   WHEN starts_with(key, 'in_') AND starts_with(min(payment), 'in_')
                        AND min(payment) <> key THEN NULL
                   WHEN count(DISTINCT payment) = 1 THEN min(payment) END AS owner
         FROM asked
         LEFT JOIN known USING (alias)
         LEFT JOIN held USING (alias)
        GROUP BY n, key
     ), claimed AS (
       INSERT INTO stripe_payment_aliases (alias, payment)
       SELECT alias, owner
         FROM asked
         JOIN owned USING (n)
        WHERE owner IS NOT NULL AND alias NOT IN (SELECT alias FROM known)
        ORDER BY alias
     )
     SELECT n, owner FROM owned`,
};

/**
 * One transaction, all or nothing: nobody may see names of one payment under two keys. Known names
 * are locked, without waiting, and the free ones inserted in order, so that no two claims can
 * deadlock; what another transaction holds, or several payments own, is left to `claimAndJoin`. A
 * name that another transaction inserts at this moment fails the statement, and its payments are
 * claimed one by one.
 */
async function claimTurn(
  session: BatchSession,
  namings: readonly Naming[],
): Promise<readonly (string | null)[]> {
  const asked = namings.flatMap(({ key, names }, n) => names.map((name) => ({ n, key, name })));
  const rows = await session.run<{ n: number; owner: string | null }>(CLAIM, [
    asked.map(({ n }) => n),
    asked.map(({ key }) => key),
    asked.map(({ name }) => name),
  ]);
  const owners = new Map(rows.map(({ n, owner }) => [n, owner]));
  return namings.map((_, n) => owners.get(n) ?? null);
}

/**
 * Claims the names of one payment where others hold some of them or several payments own them: it
 * waits, and joins the owners. Rare, so it may take a transaction of several statements.
 */
async function claimAndJoin(pool: Pool, { key, names }: Naming): Promise<string> {
  return inTransaction(pool, async (client) => {
    const held = await takeNames(client, key, names);
    const owners = [...new Set(held.filter(({ taken }) => !taken).map(({ payment }) => payment))];
    await leaveNames(client, key, names, held);
    return join(
      client,
      key,
      owners.filter((owner) => !areTwoInvoices(key, owner)),
    );
  });
}

const areTwoInvoices = (...keys: readonly [string, string]) =>
  keys[0] !== keys[1] && keys.every((key) => key.startsWith('in_'));

/** A name, and the payment that it stands for. */
interface Held {
  readonly alias: string;
  readonly payment: string;
  /** Whether it was free, and stands for it since now. */
  readonly taken: boolean;
}

/**
 * Notes what this invoice shares with another, which keeps it, with the charges of a payment intent
 * that paid it before. All other names are those of other payments, and stay whose they are.
 */
async function leaveNames(
  client: PoolClient,
  key: string,
  names: readonly string[],
  held: readonly Held[],
) {
  const owners = new Map(held.map((name) => [name.alias, name]));
  const charges = names.flatMap((alias, i) => {
    const intent = owners.get(intentOf(alias, names[i - 1]) ?? '');
    const isLeft = owners.get(alias)?.taken && intent && areTwoInvoices(key, intent.payment);
    return isLeft ? [{ alias, payment: intent.payment }] : [];
  });
  // An earlier release joined two invoices: the name of this one is its own again.
  const isJoined = areTwoInvoices(key, owners.get(key)?.payment ?? key);
  const left = isJoined ? [...charges, { alias: key, payment: key }] : charges;
  const kept = names.filter((alias) => {
    return alias !== key && areTwoInvoices(key, owners.get(alias)?.payment ?? key);
  });
  const shared = [...kept, ...charges.map(({ alias }) => alias)];
  if (shared.length === 0 && left.length === 0) return;
  await noteShared(client, key, shared);
  await client.query(
    `UPDATE stripe_payment_aliases a
        SET payment = l.payment
       FROM unnest($1::text[], $2::text[]) AS l (alias, payment)
      WHERE a.alias = l.alias`,
    [left.map(({ alias }) => alias), left.map(({ payment }) => payment)],
  );
}

async function noteShared(db: Pick<Pool, 'query'>, key: string, names: readonly string[]) {
  await db.query(
    `INSERT INTO stripe_shared_names (alias, payment)
     SELECT alias, $2 FROM unnest($1::text[]) AS s (alias) ORDER BY alias COLLATE "C"
         ON CONFLICT DO NOTHING`,
    [names, key],
  );
}

/** The payment intent that made a charge, which is named right after it. */
function intentOf(alias: string, before: string | undefined): string | null {
  return !/^(pi|in|cs)_/.test(alias) && before?.startsWith('pi_') ? before : null;
}

/** Takes the names that are free for `key`; returns whose each of them is now. */
async function takeNames(
  client: PoolClient,
  key: string,
  names: readonly string[],
): Promise<readonly Held[]> {
  // DO UPDATE, not DO NOTHING: it waits for a concurrent claim and returns whose it became; xmax
  // is 0 in a row that was inserted. Sorted, so that two claims of the same names cannot deadlock.
  const { rows } = await client.query<Held>(
    `INSERT INTO stripe_payment_aliases (alias, payment)
     SELECT alias, $2 FROM unnest($1::text[]) AS a (alias) ORDER BY alias COLLATE "C"
         ON CONFLICT (alias) DO UPDATE SET alias = excluded.alias
  RETURNING alias, payment, xmax = 0 AS taken`,
    [names, key],
  );
  return rows;
}

/**
 * Makes one payment of `key` and its owners: of the owner that has been granted, else of the first
 * by name, which is the Checkout session (cs_ before in_); of `key` when there is none. A key that
 * owned a name may be under way to the ledger, which `key`, when it is new, cannot; an invoice that
 * turns out to be a session's is a one-off, which is looked up before it grants, so that only the
 * session's key can be under way. A record that another key left, of an invoice that gave nothing,
 * stays: records are found by way of names, and that one has none any more.
 */
async function join(client: PoolClient, key: string, owners: readonly string[]): Promise<string> {
  const { rows } = await client.query<{ payment: string }>(
    `SELECT o.payment
       FROM unnest($1::text[]) AS o (payment)
       LEFT JOIN credit_ledger l ON l.grant_key = o.payment
      ORDER BY l.grant_key IS NULL, o.payment COLLATE "C"
      LIMIT 1`,
    [owners],
  );
  const owner = rows[0]?.payment ?? key;
  await client.query(
    'UPDATE stripe_payment_aliases SET payment = $2 WHERE payment = ANY($1) AND payment <> $2',
    [[...owners, key], owner],
  );
  return owner;
}
