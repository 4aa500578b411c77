import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { explain } from '../../src/cli/command.ts';
import { reconcileCommand } from '../../src/cli/reconcile.ts';
import { makeFolder, runPurser, servePurser, startPurser } from '../support/process.ts';
import { buyPack } from '../support/reconcile.ts';
import {
  balances,
  database,
  env,
  fake,
  reconcile,
  useReconcileCommand,
} from '../support/reconcile-command.ts';
import { until } from '../support/stripe.ts';

useReconcileCommand();

describe('exit code 0', () => {
  test('when nothing is off', async () => {
    const { code, stdout, stderr } = await reconcile();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Looked at 0 events since [\d-]+T[\d:]+Z,\nat 0 sessions, .*\n/);
    expect(stdout).toMatch(/\nStripe and the ledger agree\.\n$/);
  });

  test.each(['30000d', '999999d', '0000-01-01'])(
    '--since %s goes back to the beginning',
    async (since) => {
      const { session } = buyPack({ fake });
      fake.advance(31 * 86_400);
      const { code, stdout, stderr } = await reconcile('--since', since, '--apply');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(`paid-but-not-granted  ${session}`);
    },
  );

  test('when what was off is repaired, which is told line by line', async () => {
    const { userId, session } = buyPack({ fake });
    fake.advance(31 * 86_400);
    const { code, stdout, stderr } = await reconcile('--apply');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const about = `user ${userId}, 100 usd, 100 credits missing`;
    expect(
      stdout
        .replace(/, [\d-]+T[\d:]+Z\n/, ', <when>\n')
        .split('\n')
        .slice(0, 5),
    ).toEqual([
      ...[`paid-but-not-granted  ${session}`, `    ${about}, <when>`],
      ...['    its event never arrived', '    repaired', ''],
    ]);
    expect(stdout).toContain('at 1 session, 0 invoices,');
    expect(stdout).toContain('IN ORDER: 1 found, 1 repaired, 0 left.');
    expect(await balances()).toEqual([{ user_id: userId, balance: 100 }]);
  });
});

describe('exit code 1', () => {
  test('when something is off and nothing may be repaired', async () => {
    buyPack({ fake });
    const { code, stdout } = await reconcile('--since', '2d');
    expect(code).toBe(1);
    expect(stdout).toContain('event-missing');
    expect(stdout).toContain('NOT IN ORDER: 2 found.\nNothing was written; --apply repairs.');
    expect(await balances()).toEqual([]);
  });

  test('when something is left, with what keeps it', async () => {
    buyPack({ fake }, { price: 'price_unknown' });
    fake.advance(31 * 86_400);
    const { code, stdout } = await reconcile('--apply');
    expect(code).toBe(1);
    expect(stdout).toContain('NOT REPAIRED: tried, but unknown price price_unknown');
    expect(stdout).toContain('NOT IN ORDER: 1 found, 0 repaired, 1 left.');
  });

  test('when Stripe is away, in words, and the next run begins where this one did', async () => {
    env['STRIPE_API_BASE'] = 'http://127.0.0.1:1';
    const { code, stdout } = await reconcile('--apply');
    expect(code).toBe(1);
    expect(stdout).toContain("NOT COMPLETE: Stripe's API cannot be reached.\n");
    const [cursor] = await database.sql(
      'SELECT events_seen_until, objects_seen_until, holder FROM stripe_reconcile',
    );
    expect(cursor).toEqual({ events_seen_until: null, objects_seen_until: null, holder: null });
  });

  /** A run under way that has ten payments to repair. */
  async function startSlowly() {
    for (let i = 0; i < 10; i++) buyPack({ fake });
    fake.setFault({ kind: 'slow', ms: 200 });
    const asked = fake.requests();
    const program = startPurser(['reconcile', '--apply'], { env });
    await until(async () => fake.requests() > asked + 1);
    return program;
  }

  test('when it is stopped, with what it has seen, and the next run need not wait for it', async () => {
    const program = await startSlowly();
    const { code, stdout } = await program.stop('SIGINT');
    expect(code).toBe(1);
    expect(stdout).toContain('NOT COMPLETE: it was stopped before its end.\n');
    fake.setFault(null);
    expect(await reconcile('--apply')).toMatchObject({ code: 0 });
  });

  test('when one was killed, until its lease is over; then all is done that it had not', async () => {
    const program = await startSlowly();
    await program.stop('SIGKILL');
    fake.setFault(null);
    expect(
      await database.sql(
        `SELECT events_seen_until, objects_seen_until, looked_back_at, held_until > now() AS held
           FROM stripe_reconcile`,
      ),
    ).toEqual([
      { events_seen_until: null, objects_seen_until: null, looked_back_at: null, held: true },
    ]);
    const busy = 'purser: A run that repairs is under way; wait until it has ended.\n';
    expect(await reconcile('--apply')).toMatchObject({ code: 1, stderr: busy });
    await database.sql("UPDATE stripe_reconcile SET held_until = now() - interval '1 second'");
    expect(await reconcile('--apply')).toMatchObject({ code: 0 });
    expect(await balances()).toEqual(
      Array.from({ length: 10 }, () => expect.objectContaining({ balance: 100 })),
    );
  });

  test('when another run repairs at this moment, or the key is of another account', async () => {
    await database.sql(
      `UPDATE stripe_reconcile
          SET holder = gen_random_uuid(), held_until = now() + interval '1 minute'`,
    );
    const busy = await reconcile('--apply');
    expect(busy).toMatchObject({ code: 1, stdout: '' });
    expect(busy.stderr).toBe('purser: A run that repairs is under way; wait until it has ended.\n');
    await database.sql("UPDATE stripe_account SET account = 'acct_other'");
    const foreign = await reconcile();
    expect(foreign).toMatchObject({ code: 1, stdout: '' });
    expect(foreign.stderr).toContain('belongs to the Stripe account acct_other');
  });
});

test('exit code 2, with one sentence, for what it does not understand', async () => {
  const wrong = [
    ...['yesterday', '7', '2026-13-01', '2099-01-01'].map((since) => ['--since', since]),
    ...[['--since'], ['--repair'], ['everything'], ['--why', 'a gift'], ['--accept', 'cs_1']],
    ...[
      ['--accept', 'cs_1', '--why', ' '],
      ['--accept', 'cs_1', '--why', 'a gift', '--apply'],
      ['--accept', 'cs_1', '--why', 'a gift', '--unaccept', 'cs_1'],
      ['--unaccept', 'cs_1', '--why', 'a gift'],
      ['--unaccept', 'cs_1', '--json'],
      ['--accepted', '--since', '7d'],
      ['--seen', '3f9a2c51'],
      ['--unaccept', 'cs_1', '--seen', '3f9a2c51'],
      ['--accepted', '--apply'],
    ],
  ];
  const said = vi.spyOn(console, 'error').mockReturnValue();
  onTestFinished(() => said.mockRestore());
  for (const args of wrong) {
    said.mockClear();
    expect({ args, code: await explain(reconcileCommand, args, 'reconcile') }).toMatchObject({
      args,
      code: 2,
    });
    expect(said.mock.calls).toEqual([
      [expect.stringMatching(/^purser: .*\nSee `purser reconcile --help`\.$/s)],
    ]);
  }
});

test('--json is one document, of this shape', async () => {
  const { session, userId } = buyPack({ fake });
  fake.advance(31 * 86_400);
  const since = `${new Date(Date.now() - 86_400_000).toISOString().slice(0, 16)}Z`;
  const { code, stdout } = await reconcile('--json', '--since', since);
  expect(code).toBe(1);
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(JSON.parse(stdout)).toEqual({
    ...{ in_order: false, applied: false, started_at: time },
    ...{ events_since: new Date(since).toJSON(), objects_since: new Date(since).toJSON() },
    looked_at: {
      ...{ events: 0, sessions: 1, invoices: 0, refunds: 0, disputes: 0, credit_notes: 0 },
      payments: 0,
    },
    ...{ found: 1, repaired: 0, left: 1, waiting: 0, problems: [] },
    findings: [
      {
        ...{ what: 'paid-but-not-granted', code: 'not_carried_out', object: session, user: userId },
        ...{ amount: 100, currency: 'usd', credits: 100, when: time },
        ...{ why: 'its event never arrived', done: null, repaired: false },
        mark: expect.stringMatching(/^[0-9a-f]{8}$/),
      },
    ],
    unseen: [],
  });
});

test('works on the local server and its simulated Stripe without any variable', async () => {
  const folder = await makeFolder();
  const server = await servePurser(['--folder', folder], { env: { DATABASE_URL: database.url } });
  const { code, stdout } = await runPurser(['reconcile', '--folder', folder], {});
  expect(stdout).toContain('Stripe and the ledger agree.');
  expect(code).toBe(0);
  await server.stop();
});
