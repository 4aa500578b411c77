import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { debit, grant } from '../../support/commands.ts';
import { balanceOf, database, ledger, proxy, useLedgerBehindProxy, within5s } from './harness.ts';

useLedgerBehindProxy();

describe('when the database is away', () => {
  test('a command is refused as unavailable, and the next one works when it is back', async () => {
    await ledger.post(grant('away', 10));
    await proxy.goAway();
    await expect(ledger.post(debit('away', 1))).rejects.toMatchObject({
      code: 'database_unavailable',
    });
    await proxy.comeBack();
    expect(await ledger.post(debit('away', 2))).toMatchObject({ ok: true });
    expect(await balanceOf('away')).toBe(8);
  });

  test('or takes no writes, everybody hears so at once, and no batch is split for it', async () => {
    await ledger.post(grant('standby', 10));
    const readOnly = (on: boolean) =>
      database.sql(
        `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ${on}',
                                    current_database()); END $$`,
      );
    await readOnly(true);
    await proxy.comeBack();
    const answers = await Promise.allSettled(
      Array.from({ length: 50 }, () => ledger.post(debit('standby', 1))),
    );
    for (const answer of answers) {
      expect(answer).toMatchObject({ reason: { code: 'database_unavailable' } });
    }
    expect(ledger.counts.splits).toBe(0);
    const writable = await database.pool.connect();
    await writable.query('SET default_transaction_read_only = off');
    writable.release();
    await readOnly(false);
    await proxy.comeBack();
    expect(await ledger.post(debit('standby', 1))).toMatchObject({ ok: true });
  });

  test('an idle connection that was cut costs nobody an error', async () => {
    await ledger.post(grant('cut', 10));
    await proxy.comeBack();
    expect(await ledger.post(debit('cut', 1))).toMatchObject({ ok: true });
  });

  test('only behind a connection that was dropped in silence, nobody hears of it', async () => {
    await ledger.post(grant('dropped', 10));
    proxy.silence();
    const answers = [0, 1, 2].map(async (wave) => {
      await delay(wave * 400);
      return within5s(ledger.post(debit('dropped', 1)));
    });
    for (const outcome of await Promise.all(answers)) expect(outcome.ok).toBe(true);
    expect(await balanceOf('dropped')).toBe(7);
  });

  test('in the same way, also who had waited long for a turn is served on a new one', async () => {
    await Promise.all([ledger.post(grant('slow', 10)), ledger.post(grant('patient', 10))]);
    await database.sql(`
      CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(1.2); RETURN NEW; END';
      CREATE TRIGGER doze BEFORE INSERT ON credit_ledger FOR EACH ROW
        WHEN (NEW.user_id = 'slow') EXECUTE FUNCTION doze()`);
    const slow = ledger.post(debit('slow', 1));
    const patient = within5s(ledger.post(debit('patient', 1)));
    await slow;
    proxy.silence();
    expect(await patient).toMatchObject({ ok: true, entry: { balance: 9 } });
    await database.sql('DROP FUNCTION doze CASCADE');
  });

  test('or hangs, every caller hears a 503 within 5 s, also those that came later', async () => {
    await ledger.post(grant('hang', 10));
    proxy.stall();
    const waves = [0, 1, 2, 3].map(async (wave) => {
      await delay(wave * 700);
      return within5s(ledger.post(debit('hang', 1)).catch((error) => error));
    });
    for (const error of await Promise.all(waves)) expect(error).toMatchObject({ status: 503 });
    await proxy.comeBack();
    expect(await ledger.post(debit('hang', 1))).toMatchObject({ ok: true });
  });
});

test('a backend that is terminated in the middle of the work loses and doubles nothing', async () => {
  await ledger.post(grant('terminated', 10_000));
  let accepted = 0;
  const work = Array.from({ length: 20 }, async () => {
    for (let i = 0; i < 25; i += 1) {
      const outcome = await ledger.post(debit('terminated', 1)).catch(() => null);
      if (outcome?.ok) accepted += 1;
    }
  });
  const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'purser lane'`;
  for (let i = 0; i < 10; i += 1) {
    await database.sql(kill);
    await delay(5);
  }
  await Promise.all(work);
  expect(await balanceOf('terminated')).toBe(10_000 - accepted);
});
