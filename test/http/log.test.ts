import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
  await api.database.sql(
    "ALTER TABLE credit_ledger ADD CONSTRAINT trap CHECK (reason <> 'Dr. No')",
  );
});
afterAll(() => api.close());

test('the log of a failure names the constraint, and holds nothing of the row that broke it', async () => {
  await api.give('patient', 10);
  const body = { delta: 1, reason: 'Dr. No' };
  const answer = await api.callAndFail('POST', '/api/v1/credits/debit', { as: 'patient', body });
  expect(answer.status).toBe(500);
  const log = api.log.join('\n');
  expect(log).toContain('violates check constraint');
  expect(log).not.toContain('Dr. No');
});
