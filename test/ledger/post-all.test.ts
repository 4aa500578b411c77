import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { debit, grant } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let ledger: Ledger;
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = createLedger(database);
});
afterAll(async () => {
  await ledger.close();
  await database.drop();
});

describe('many commands at once', () => {
  test('have what each would have had alone, in their order', async () => {
    const settled = await ledger.postAll([
      grant('many', 10),
      debit('many', 4),
      debit('many', 7),
      debit('a\0b', 1),
      debit('many', 6),
    ]);
    expect(settled).toMatchObject([
      { ok: true, entry: { seq: 1 } },
      { ok: true, entry: { seq: 2, balance: 6 } },
      { ok: false, refusal: { code: 'insufficient_credits' } },
      { code: 'invalid_request' },
      { ok: true, entry: { seq: 3, balance: 0 } },
    ]);
  });

  test('may be none', async () => {
    expect(await ledger.postAll([])).toEqual([]);
  });

  test('of which an account may not have so many waiting are overloaded from there on', async () => {
    await ledger.post(grant('flood', 1_000));
    const settled = await ledger.postAll(Array.from({ length: 1_005 }, () => debit('flood', 1)));
    expect(settled.slice(0, 1_000).every((one) => 'ok' in one && one.ok)).toBe(true);
    expect(settled.slice(1_000)).toMatchObject(Array(5).fill({ code: 'overloaded' }));
    expect(await ledger.balance('flood')).toMatchObject({ balance: 0 });
  });
});
