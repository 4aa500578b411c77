import { expect, onTestFinished, test } from 'vitest';
import { createLedger } from '../../src/ledger/ledger.ts';
import { debit, grant } from '../support/commands.ts';
import { createTestDatabase, refuseForgetfulCommits } from '../support/database.ts';

test('what the ledger acknowledges outlasts a crash of the database', async () => {
  const database = await createTestDatabase();
  await refuseForgetfulCommits(database, 'credit_ledger');
  const ledger = createLedger({ url: database.url, pool: database.pool });
  onTestFinished(async () => {
    await ledger.close();
    await database.drop();
  });
  expect(await ledger.post(grant('ada', 10))).toMatchObject({ ok: true });
  expect(await ledger.post(debit('ada', 4))).toMatchObject({ ok: true, entry: { balance: 6 } });
});
