import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/read/verify.ts';
import { debit, grant, lot, settlePayment } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { recordPayment } from '../support/payment-facts.ts';

let database: TestDatabase;
let ledger: Ledger;
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = createLedger({ url: database.url, pool: database.pool });
});
afterAll(async () => {
  expect(await verifyLedger(database.pool)).toMatchObject({ faults: [] });
  expect(ledger.counts.lockViolations).toBe(0);
  await ledger.close();
  await database.drop();
});

const PAST = Date.UTC(2020, 0, 1);
const FUTURE = Date.UTC(2120, 0, 1);
const lots = (first: Parameters<typeof lot>, ...rest: Parameters<typeof lot>[]) => ({
  grants: [lot(...first), ...rest.map((one) => lot(...one))] as const,
});

const historyOf = (userId: string) =>
  database.sql('SELECT kind, delta, balance FROM credit_ledger WHERE user_id = $1 ORDER BY seq', [
    userId,
  ]);

test('a lot whose time has come is no longer in the balance, and the next command says so', async () => {
  const late = lots([30, { expiresAt: PAST }], [10, { expiresAt: FUTURE }]);
  await ledger.post(grant('ada', 1, { ...late, grantKey: 'cs_ada' }));
  expect(await ledger.balance('ada')).toMatchObject({ balance: 10, available: 10, held: 0 });
  expect(await ledger.post(debit('ada', 4))).toMatchObject({ ok: true, entry: { balance: 6 } });
  expect(await historyOf('ada')).toEqual([
    { kind: 'purchase', delta: 30, balance: 30 },
    { kind: 'purchase', delta: 10, balance: 40 },
    { kind: 'expiry', delta: -30, balance: 10 },
    { kind: 'debit', delta: -4, balance: 6 },
  ]);
});

test('an expiry is written even when the command that met it is refused', async () => {
  await ledger.post(grant('bob', 1, { ...lots([30, { expiresAt: PAST }]), grantKey: 'cs_bob' }));
  expect(await ledger.post(debit('bob', 1))).toMatchObject({
    ok: false,
    refusal: { code: 'insufficient_credits', balance: 0, available: 0, required: 1 },
  });
  expect(await historyOf('bob')).toHaveLength(2);
});

test('what has expired before it was granted is in the statement at once, and is never spent', async () => {
  const late = { ...lots([30, { expiresAt: PAST }], [10, {}]), grantKey: 'cs_uma' };
  // The first command keeps the lane busy, so that the other two travel in one batch.
  const [, granted, spent] = await Promise.all(
    [grant('uma', 5), grant('uma', 1, late), debit('uma', 16)].map((one) => ledger.post(one)),
  );
  expect(granted).toMatchObject({ ok: true, entry: { delta: 30 } });
  expect(spent).toMatchObject({ ok: false, refusal: { balance: 15, available: 15 } });
  expect(await historyOf('uma')).toEqual([
    { kind: 'purchase', delta: 5, balance: 5 },
    { kind: 'purchase', delta: 30, balance: 35 },
    { kind: 'purchase', delta: 10, balance: 45 },
    { kind: 'expiry', delta: -30, balance: 15 },
  ]);
});

test('what expires soonest is spent first, and what never expires last', async () => {
  await ledger.post(
    grant('cyd', 1, lots([5, { category: 'bonus' }], [5, { expiresAt: FUTURE }], [5, {}])),
  );
  const spent = await ledger.post(debit('cyd', 12));
  expect(spent).toMatchObject({
    entry: {
      draws: [
        { lot: 2, amount: 5 },
        { lot: 1, amount: 5 },
        { lot: 3, amount: 2 },
      ],
    },
  });
});

test('ten servers that settle one payment at once claw it back once', async () => {
  const servers = Array.from({ length: 10 }, () =>
    createLedger({ url: database.url, pool: database.pool }),
  );
  await ledger.post(grant('dee', 100, { grantKey: 'cs_dee' }));
  await recordPayment(database, 'cs_dee', 'dee', 400);
  const outcomes = await Promise.all(
    servers.map((server) => server.post(settlePayment('dee', 'cs_dee'))),
  );
  expect(outcomes.filter((one) => one.ok && !one.replayed)).toHaveLength(1);
  expect(await ledger.balance('dee')).toMatchObject({ balance: 60 });
  await Promise.all(servers.map((server) => server.close()));
});

test('a payment granted and settled in one batch is settled by what it has just granted', async () => {
  await recordPayment(database, 'cs_eve', 'eve', 1_000);
  const results = await Promise.all([
    ledger.post(debit('eve', 1)), // Under way at once; the other two then share a transaction.
    ledger.post(grant('eve', 100, { grantKey: 'cs_eve' })),
    ledger.post(settlePayment('eve', 'cs_eve')),
  ]);
  expect(results.map(({ ok }) => ok)).toEqual([false, true, true]);
  expect(await ledger.balance('eve')).toMatchObject({ balance: 0 });
});

test('a grant of an older release, whose entries do not name their payment, is settled too', async () => {
  await ledger.post(grant('flo', 1, { grants: [lot(10), lot(20)], grantKey: 'cs_flo' }));
  await ledger.post(grant('flo', 5));
  await database.sql('ALTER TABLE credit_ledger DISABLE TRIGGER USER');
  await database.sql(`UPDATE credit_ledger SET payment = NULL WHERE user_id = 'flo'`);
  await database.sql('ALTER TABLE credit_ledger ENABLE TRIGGER USER');
  await recordPayment(database, 'cs_flo', 'flo', 500);
  expect(await ledger.post(settlePayment('flo', 'cs_flo'))).toMatchObject({ ok: true });
  expect(await ledger.balance('flo')).toMatchObject({ balance: 20 });
  // Back to what was hashed, so that the whole ledger verifies.
  await database.sql('ALTER TABLE credit_ledger DISABLE TRIGGER USER');
  await database.sql(
    `UPDATE credit_ledger SET payment = 'cs_flo' WHERE user_id = 'flo' AND seq IN (1, 2)`,
  );
  await database.sql('ALTER TABLE credit_ledger ENABLE TRIGGER USER');
});

test('a grant that would expire at once is refused, unless it was paid for; a repeat is none', async () => {
  const soon = lots([30, { expiresAt: Date.now() + 3_600_000 }]);
  const given = grant('tim', 1, { ...soon, idempotencyKey: 'once' });
  const first = await ledger.post(given);
  const { url, pool } = database;
  const later = createLedger({ url, pool, clockOffset: 7_200_000 });
  expect(await later.post(given)).toEqual({ ...first, replayed: true });
  expect(await later.post(grant('tim', 1, soon))).toEqual({
    ok: false,
    refusal: { code: 'expiry_passed' },
  });
  expect(await historyOf('tim')).toHaveLength(2);
  await later.close();
});
