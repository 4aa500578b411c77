import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { createSweep } from '../../src/ledger/sweep.ts';
import {
  capture,
  debit,
  grant,
  hold,
  lot,
  release,
  reverse,
  settlePayment,
} from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { recordPayment } from '../support/payment-facts.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const alertRules = { lowCredits: [20, 5], expiringWithin: 7 * DAY };

let database: TestDatabase;
let ledger: Ledger;
const ledgers: Ledger[] = [];
/** The same ledger as it is so many milliseconds later. */
function later(clockOffset: number, rules = alertRules): Ledger {
  const { url, pool } = database;
  const one = createLedger({ url, pool, clockOffset, alertRules: rules });
  ledgers.push(one);
  return one;
}
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = later(0);
});
afterAll(async () => {
  await Promise.all(ledgers.map((one) => one.close()));
  await database.drop();
});

interface Told {
  readonly type: string;
  readonly seq: number;
  readonly data: Record<string, unknown>;
}
const toldOf = (userId: string) =>
  database.sql<Told & { created_at: Date }>(
    'SELECT type, seq, data, created_at FROM alerts WHERE user_id = $1 ORDER BY position',
    [userId],
  );
const typesOf = async (userId: string) =>
  (await toldOf(userId)).map(({ type, seq }) => `${seq} ${type}`);

async function sweep(clockOffset: number): Promise<void> {
  const { post } = later(clockOffset);
  const { expiringWithin } = alertRules;
  const log = { warn: () => {} };
  await createSweep({ pool: database.pool, post, expiringWithin, log, clockOffset }).run();
}

test('a grant is told with what the account has after it, and nothing that can be erased', async () => {
  const expiresAt = Date.now() + 30 * DAY;
  const note = { reason: 'for Ada', ref: 'order 7', metadata: { who: 'Ada' } };
  const grants = [lot(70, { ...note, expiresAt, category: 'included' })] as const;
  await ledger.post(grant('ada', 1, { grants, grantKey: 'cs_ada' }));
  const [entry] = (await ledger.entries('ada', { limit: 1, before: null })).entries;
  expect(await toldOf('ada')).toEqual([
    {
      type: 'credits.granted',
      seq: 1,
      created_at: new Date(entry?.createdAt ?? 0),
      data: {
        ...{ user_id: 'ada', seq: 1, balance: 70, available: 70, held: 0 },
        ...{ kind: 'included', amount: 70, payment: 'cs_ada' },
        expires_at: new Date(expiresAt).toISOString(),
      },
    },
  ]);
});

test('a plain debit, a hold that ends in time, and a refusal are nothing to tell', async () => {
  await ledger.post(grant('bob', 100));
  for (const command of [
    debit('bob', 10),
    hold('bob', 'a', 20),
    capture('bob', 'a'),
    hold('bob', 'b', 20),
    release('bob', 'b'),
    debit('bob', 1_000),
    reverse('bob', 2),
  ]) {
    await ledger.post(command);
  }
  expect(await typesOf('bob')).toEqual(['1 credits.granted']);
});

test('credits that fall to a threshold are low, once, until they have risen above it', async () => {
  await ledger.post(grant('cid', 30));
  for (const n of [9, 1, 1, 3]) await ledger.post(debit('cid', n));
  await ledger.post(grant('cid', 5));
  for (const n of [1, 12]) await ledger.post(debit('cid', n));
  await ledger.post(hold('cid', 'job', 3));
  expect(await typesOf('cid')).toEqual([
    ...['1 credits.granted', '3 credits.low', '6 credits.granted', '7 credits.low'],
    '9 credits.low',
  ]);
  expect((await toldOf('cid')).map(({ data }) => data['threshold'] ?? null)).toEqual([
    null,
    20,
    null,
    20,
    5,
  ]);
});

test('one debit that crosses all lines tells of each, the highest first', async () => {
  await ledger.post(grant('dan', 30));
  await ledger.post(debit('dan', 30));
  expect(await toldOf('dan')).toMatchObject([
    { type: 'credits.granted' },
    { type: 'credits.low', seq: 2, data: { threshold: 20, available: 0 } },
    { type: 'credits.low', seq: 2, data: { threshold: 5, available: 0 } },
    { type: 'credits.depleted', seq: 2, data: { balance: 0, available: 0, held: 0 } },
  ]);
});

test('what a hold reserves is not available: it may deplete, and its expiry is told', async () => {
  await ledger.post(grant('eve', 4));
  await ledger.post(hold('eve', 'job', 4, { seconds: 3_600 }));
  await later(2 * HOUR).post(debit('eve', 1));
  expect(await toldOf('eve')).toMatchObject([
    { type: 'credits.granted' },
    { type: 'credits.depleted', seq: 2, data: { balance: 4, available: 0, held: 4 } },
    { type: 'hold.expired', seq: 3, data: { hold_id: 'job', amount: 4, available: 4, held: 0 } },
  ]);
});

test('a claw-back tells what it took and what is owed, a reinstatement that credits came', async () => {
  await ledger.post(grant('fay', 50, { grantKey: 'cs_fay' }));
  await ledger.post(debit('fay', 20));
  for (const refunded of [1_000, 500]) {
    await recordPayment(database, 'cs_fay', 'fay', refunded);
    await ledger.post(settlePayment('fay', 'cs_fay'));
  }
  expect((await toldOf('fay')).slice(1)).toMatchObject([
    { type: 'credits.clawed_back', data: { amount: 50, payment: 'cs_fay', available: -20 } },
    { type: 'credits.low', data: { threshold: 20 } },
    { type: 'credits.low', data: { threshold: 5 } },
    { type: 'credits.depleted', data: { available: -20 } },
    { type: 'credits.granted', data: { kind: 'reinstatement', amount: 25, available: 5 } },
  ]);
});

describe('a lot that will expire', () => {
  const announced = async (userId: string) =>
    (await toldOf(userId)).filter(({ type }) => type === 'credits.expiring');

  test('is announced once, some days before, by the sweep', async () => {
    const expiresAt = Date.now() + 10 * DAY;
    await ledger.post(grant('gus', 1, { grants: [lot(40, { expiresAt })] }));
    await ledger.post(debit('gus', 4));
    await sweep(2 * DAY);
    expect(await typesOf('gus')).toEqual(['1 credits.granted']);
    for (const days of [4, 5]) await sweep(days * DAY);
    const data = { user_id: 'gus', seq: 2, balance: 36, available: 36, held: 0 };
    const expires_at = new Date(expiresAt).toISOString();
    expect((await toldOf('gus')).slice(1)).toMatchObject([
      {
        type: 'credits.expiring',
        seq: 2,
        data: { ...data, lot: 1, category: 'purchase', amount: 36, expires_at },
      },
    ]);
    await sweep(11 * DAY);
    expect((await typesOf('gus')).slice(2)).toEqual([
      '3 credits.low',
      '3 credits.low',
      '3 credits.depleted',
    ]);
  });

  test('is announced though the account is used between the announcement’s time and the sweep', async () => {
    await ledger.post(grant('hal', 1, { grants: [lot(40, { expiresAt: Date.now() + 10 * DAY })] }));
    await later(4 * DAY).post(debit('hal', 1));
    await later(4 * DAY).post(grant('hal', 1));
    await sweep(4 * DAY);
    expect(await announced('hal')).toMatchObject([{ data: { lot: 1, amount: 39 } }]);
  });

  test('and is granted with less time than that is announced with its grant', async () => {
    const expiresAt = Date.now() + DAY;
    await ledger.post(grant('ida', 1, { grants: [lot(40), lot(30, { expiresAt })] }));
    expect(await typesOf('ida')).toEqual([
      ...['1 credits.granted', '2 credits.granted', '2 credits.expiring'],
    ]);
    await sweep(HOUR);
    expect(await announced('ida')).toMatchObject([{ data: { lot: 2, amount: 30 } }]);
  });

  test('and was reserved when its time came is announced when something of it is free again', async () => {
    await ledger.post(grant('jon', 1, { grants: [lot(40, { expiresAt: Date.now() + 10 * DAY })] }));
    await ledger.post(hold('jon', 'job', 40, { seconds: 20 * 86_400 }));
    await sweep(4 * DAY);
    expect(await announced('jon')).toEqual([]);
    await later(5 * DAY).post(capture('jon', 'job', 30));
    expect(await announced('jon')).toMatchObject([{ seq: 3, data: { lot: 1, amount: 10 } }]);
  });

  test('is not announced when nothing of it is left, nor when announcements are switched off', async () => {
    const grants = [lot(40, { expiresAt: Date.now() + 10 * DAY })] as const;
    await ledger.post(grant('kim', 1, { grants }));
    await ledger.post(debit('kim', 40));
    await later(0, { lowCredits: [], expiringWithin: 0 }).post(grant('leo', 1, { grants }));
    await sweep(4 * DAY);
    expect(await announced('kim')).toEqual([]);
    const { post } = later(11 * DAY, { lowCredits: [], expiringWithin: 0 });
    await post(debit('leo', 1));
    expect(await announced('leo')).toEqual([]);
  });
});
