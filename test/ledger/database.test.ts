import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLedger } from '../../src/ledger/ledger.ts';
import { debit, grant } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  const ledger = createLedger({ url: database.url, pool: database.pool });
  await ledger.post(grant('u', 100, { grantKey: 'cs_1', stripeEventId: 'evt_1' }));
  await ledger.post(debit('u', 40, { idempotencyKey: 'k', reason: 'render', ref: 'job 1' }));
  await ledger.close();
});
afterAll(() => database.drop());

const ERASE = 'UPDATE credit_ledger SET reason = NULL, ref = NULL, metadata = NULL';

describe('the database refuses what the code must never do', () => {
  test.each([
    ['UPDATE', 'UPDATE credit_ledger SET delta = 1'],
    ['UPDATE of a text', "UPDATE credit_ledger SET reason = 'refund' WHERE seq = 2"],
    ['UPDATE that erases one text of two', 'UPDATE credit_ledger SET reason = NULL WHERE seq = 2'],
    ['UPDATE that erases the hash of a note, too', `${ERASE}, note_hash = NULL`],
    ['UPDATE that erases and changes the rest', `${ERASE}, state = '{"debt": 0, "lots": []}'`],
    ['UPDATE that gives a note to an entry', "UPDATE credit_ledger SET ref = 'x' WHERE seq = 1"],
    ['DELETE', "DELETE FROM credit_ledger WHERE user_id = 'u'"],
    ['TRUNCATE', 'TRUNCATE credit_ledger'],
    ['TRUNCATE of the customers with it', 'TRUNCATE stripe_customers CASCADE'],
  ])('%s of the ledger', async (_, sql) => {
    await expect(database.sql(sql)).rejects.toThrow('credit_ledger is append-only');
  });

  test('removing a customer who has entries', async () => {
    await expect(database.sql("DELETE FROM stripe_customers WHERE user_id = 'u'")).rejects.toThrow(
      'credit_ledger_user_id_fkey',
    );
  });

  const CLAW_BACK = { kind: 'clawback', payment: 'cs_1', reverses_seq: 1 };

  test('one Stripe customer for two users', async () => {
    const link = `INSERT INTO stripe_customers (user_id, stripe_customer_id) VALUES ($1, 'cus_1')`;
    await database.sql(link, ['first']);
    await expect(database.sql(link, ['second'])).rejects.toThrow('stripe_customer_id_key');
    await database.sql("DELETE FROM stripe_customers WHERE user_id = 'first'");
  });

  /** A third entry that would be fine but for `change`. */
  function insert(change: Record<string, unknown>): Promise<unknown> {
    const row = {
      user_id: 'u',
      seq: 3,
      id: '00000000-0000-4000-8000-000000000000',
      kind: 'debit',
      delta: -10,
      balance: 50,
      held: 0,
      draws: '[]',
      actor: 'user',
      created_at: '2026-01-01T00:00:00Z',
      hash: Buffer.alloc(32),
      ...change,
    };
    const columns = Object.keys(row);
    const places = columns.map((_, i) => `$${i + 1}`);
    const sql = `INSERT INTO credit_ledger (${columns}) VALUES (${places})`;
    // Rolled back in any case, so that every test starts from the same two entries.
    return database.pool.connect().then(async (client) => {
      try {
        await client.query('BEGIN');
        await client.query(sql, Object.values(row));
      } finally {
        await client.query('ROLLBACK');
        client.release();
      }
    });
  }

  test('nothing else about such an entry: the unchanged row is accepted', async () => {
    await insert({});
  });

  test.each([
    ['a second entry with the same number', { seq: 2 }, 'credit_ledger_pkey'],
    ['an entry 0', { seq: 0 }, 'seq_from_one'],
    ['an unknown kind', { kind: 'gift', delta: 10 }, 'kind_known'],
    ['a debit that gives', { delta: 10 }, 'delta_sign'],
    ['a debit of nothing', { delta: 0 }, 'delta_sign'],
    ['a grant that takes', { kind: 'purchase', delta: -10 }, 'delta_sign'],
    ['a debit below zero', { balance: -1 }, 'never_overdrawn'],
    ['a debit of held credits', { balance: 5, held: 6 }, 'never_overdrawn'],
    ['negative held credits', { held: -1 }, 'held_not_negative'],
    ['a balance that JSON cannot tell', { balance: '9007199254740992' }, 'balance_is_exact'],
    ['a debit that does not say what it drew', { draws: null }, 'taking_draws'],
    ['an expiry that does not say of which lot', { kind: 'expiry', draws: null }, 'taking_draws'],
    ['an expiry below zero', { kind: 'expiry', balance: -1 }, 'never_overdrawn'],
    ['a claw-back that gives', { ...CLAW_BACK, delta: 10 }, 'delta_sign'],
    ['a claw-back of no payment', { ...CLAW_BACK, payment: null }, 'reversal_names_its_entry'],
    ['a claw-back of no grant', { ...CLAW_BACK, reverses_seq: null }, 'reversal_names_its_entry'],
    ['a claw-back of a later one', { ...CLAW_BACK, reverses_seq: 3 }, 'reversal_names_its_entry'],
    ['a debit that reverses a grant', { reverses_seq: 1 }, 'reversal_names_its_entry'],
    [
      'a reinstatement that does not say of what',
      { ...CLAW_BACK, kind: 'reinstatement', delta: 10 },
      'category_of_what_comes_back',
    ],
    ['a debit of a category', { category: 'bonus' }, 'category_of_what_comes_back'],
    ['a lead that comes after', { lead_seq: 3 }, 'lead_comes_first'],
    ['a key on an entry that is not the lead', { lead_seq: 2, grant_key: 'x' }, 'keys_on_the_lead'],
    ['an idempotency key without its request', { idempotency_key: 'x' }, 'key_has_hash'],
    ['a text without its hash', { reason: 'x' }, 'note_has_hash'],
    ["a note's hash of another length", { note_hash: Buffer.alloc(31) }, 'note_hash_is_sha256'],
    ['a hash of another length', { hash: Buffer.alloc(31) }, 'hash_is_sha256'],
    ['a Stripe event for the second time', { stripe_event_id: 'evt_1' }, 'stripe_event_id'],
    ['a payment for the second time', { grant_key: 'cs_1' }, 'credit_ledger_grant_key'],
    [
      'an idempotency key for the second time',
      { idempotency_key: 'user:k', request_hash: 'x' },
      'credit_ledger_idempotency_key',
    ],
    ['an entry of an unknown customer', { user_id: 'nobody', seq: 1 }, 'user_id_fkey'],
  ])('%s', async (_, change, constraint) => {
    await expect(insert(change)).rejects.toThrow(constraint);
  });
});

test('the view shows what the newest entry says, and 0 for a customer without one', async () => {
  await database.sql("INSERT INTO stripe_customers (user_id) VALUES ('idle')");
  expect(
    await database.sql('SELECT user_id, balance, available FROM v_credit_balance ORDER BY user_id'),
  ).toEqual([
    { user_id: 'idle', balance: 0, available: 0 },
    { user_id: 'u', balance: 60, available: 60 },
  ]);
});

test('an account whose newest entry lost its state is refused, and others are served', async () => {
  const ledger = createLedger({ url: database.url, pool: database.pool });
  await ledger.post(grant('torn', 10));
  await database.sql('ALTER TABLE credit_ledger DISABLE TRIGGER USER');
  await database.sql("UPDATE credit_ledger SET state = NULL WHERE user_id = 'torn'");
  await database.sql('ALTER TABLE credit_ledger ENABLE TRIGGER USER');
  // The first is under way at once; the other two then share a transaction.
  const [, torn, sound] = await Promise.allSettled([
    ledger.post(debit('u', 1)),
    ledger.post(debit('torn', 1)),
    ledger.post(debit('u', 1)),
  ]);
  expect(torn).toMatchObject({
    reason: { code: 'internal_error', cause: Error('entry 1 of account "torn" has no state') },
  });
  expect(sound).toMatchObject({ value: { ok: true } });
  await ledger.close();
  expect(await database.sql("SELECT seq FROM credit_ledger WHERE user_id = 'torn'")).toHaveLength(
    1,
  );
});

test('a time is kept in whole milliseconds, as the chain tells it', async () => {
  const [row] = await database.sql<{ type: string }>(
    `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute
      WHERE attrelid = 'credit_ledger'::regclass AND attname = 'created_at'`,
  );
  expect(row?.type).toBe('timestamp(3) with time zone');
});
