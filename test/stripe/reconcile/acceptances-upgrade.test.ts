import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startFakeStripe } from '../../../packages/fake-stripe/src/fake-stripe.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { createEmptyDatabase, type TestDatabase } from '../../support/database.ts';
import { runPurser } from '../../support/process.ts';
import { buyPack } from '../../support/reconcile.ts';
import { setInUseSince } from '../../support/stripe.ts';

const MIGRATIONS = 'migrations';

/** The tables of the release before the migration of this name. */
async function migrateToBefore(database: TestDatabase, migration: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'purser-migrations-'));
  const names = (await readdir(MIGRATIONS)).sort();
  const before = names.slice(
    0,
    names.findIndex((name) => name.endsWith(migration)),
  );
  await Promise.all(before.map((name) => copyFile(join(MIGRATIONS, name), join(folder, name))));
  await migrate(database.pool, { folder });
  await rm(folder, { recursive: true });
}

test('what a release without codes has accepted stays accepted, or is told', async () => {
  const [database, fake] = await Promise.all([createEmptyDatabase(), startFakeStripe()]);
  await migrateToBefore(database, '_acceptances.sql');
  const accept = async (bought: ReturnType<typeof buyPack>, acceptedWhy: string) => {
    const event = bought.events.find(({ type }) => type === 'checkout.session.completed');
    await database.sql(
      `INSERT INTO stripe_findings (object, kind, amount, currency, dated_at, why, accepted_at, note,
                                    accepted_amount, accepted_why)
       VALUES ($1, 'paid-but-not-granted', 100, 'usd', now(), 'unknown price price_later', now(),
               'accepted by alice: a gift', 100, $2)`,
      [bought.session, acceptedWhy],
    );
    await database.sql(
      `INSERT INTO stripe_events (id, type, livemode, created, object_id, payload, state, reason,
                                  attempts, next_attempt_at)
       VALUES ($1, 'checkout.session.completed', false, now(), $2, $3, 'parked',
               'unknown price price_later', 1, now() + interval '1 hour')`,
      [event?.id, bought.session, JSON.stringify(event)],
    );
  };
  const [kept, changed] = [1, 2].map(() => buyPack({ fake }, { price: 'price_later' }));
  if (!kept || !changed) throw new Error('nothing was bought');
  await accept(kept, 'unknown price price_later');
  await accept(changed, 'unknown user');

  await migrate(database.pool, { folder: MIGRATIONS });
  await setInUseSince(database, new Date('2020-01-01'));

  const states = await database.sql('SELECT object_id AS object, state, reason FROM stripe_events');
  expect(states).toHaveLength(2);
  expect(states).toContainEqual({
    ...{ object: kept.session, state: 'ignored', reason: 'accepted by alice: a gift' },
  });
  expect(states).toContainEqual(
    expect.objectContaining({ object: changed.session, state: 'parked' }),
  );
  const env = {
    ...{ NODE_ENV: 'test', DATABASE_URL: database.url },
    ...{ STRIPE_SECRET_KEY: 'sk_test_1', STRIPE_API_BASE: fake.url },
  };
  for (const args of [['--apply'], ['--apply'], []]) {
    const { stdout } = await runPurser(['reconcile', ...args], { env });
    expect(stdout).not.toContain(kept.session);
    expect(stdout).toContain(changed.session);
  }
  const codes = await database.sql('SELECT accepted_code AS code, changed FROM stripe_findings');
  expect(codes).toContainEqual({ code: 'unknown_price', changed: false });
  expect(codes).toContainEqual({ code: '', changed: true });
  await fake.stop();
  await database.drop();
});

test('whose event an earlier release has let an operator ignore is accepted; unpaid ones are not', async () => {
  const [database, fake] = await Promise.all([createEmptyDatabase(), startFakeStripe()]);
  await migrateToBefore(database, '_ignored_events.sql');
  const note = 'ignored by eve: granted by hand';
  const ignore = async (object: string, event: { readonly id: string }, reason: string) =>
    database.sql(
      `INSERT INTO stripe_events (id, type, livemode, created, object_id, payload, state, reason,
                                  attempts, settled_at, next_attempt_at)
       VALUES ($1, 'checkout.session.completed', false, now(), $2, $3, 'ignored', $4, 1, now(),
               NULL)`,
      [event.id, object, JSON.stringify(event), reason],
    );
  const [bought, other] = ['ada', 'bob'].map((userId) => {
    const { id } = fake.createSession({ userId, lines: [{ price: 'price_later' }] });
    return { id, event: fake.completeSession(id) };
  });
  if (!bought || !other) throw new Error('nothing was bought');
  await ignore(bought.id, bought.event, note);
  await ignore(other.id, other.event, 'it is a live mode event');
  const slow = fake.createSession({ userId: 'cy', lines: [{ price: 'price_later' }] });
  await ignore(slow.id, fake.completeSession(slow.id, 'unpaid'), note);
  const old = fake.createSession({ userId: 'dan', lines: [{ price: 'price_later' }] });
  const paid = fake.completeSession(old.id);
  await ignore(old.id, paid, note);
  await database.sql(
    'UPDATE stripe_events SET payload = NULL, payload_removed_at = now() WHERE id = $1',
    [paid.id],
  );

  await migrate(database.pool, { folder: MIGRATIONS });
  await setInUseSince(database, new Date('2020-01-01'));

  const accepted = await database.sql(
    'SELECT object, note, accepted_code FROM stripe_findings ORDER BY accepted_at',
  );
  expect(accepted).toEqual([
    { object: bought.id, note, accepted_code: 'ignored' },
    { object: old.id, note, accepted_code: 'ignored' },
  ]);
  const env = {
    ...{ NODE_ENV: 'test', DATABASE_URL: database.url },
    ...{ STRIPE_SECRET_KEY: 'sk_test_1', STRIPE_API_BASE: fake.url },
  };
  const { stdout } = await runPurser(['reconcile', '--apply'], { env });
  expect(stdout).not.toContain(bought.id);
  expect(stdout, 'whose payload is removed').not.toContain(old.id);
  expect(stdout).toContain(other.id);
  await fake.stop();
  await database.drop();
});
