import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../../packages/fake-stripe/src/fake-stripe.ts';
import { signV4Token } from '../../src/auth/sign-token.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { createFeed } from '../../src/live/feed.ts';
import { startTestApp } from '../support/app.ts';
import { debit, grant, hold } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { PRODUCTION } from '../support/environment.ts';
import { startPgBouncer } from '../support/pgbouncer.ts';
import { type Served, servePurser } from '../support/process.ts';
import { listen, listenAs, OWN } from './client.ts';

let database: TestDatabase;
let ledger: Ledger;
let stripe: FakeStripe;
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = createLedger({ url: database.url, pool: database.pool });
  stripe = await startFakeStripe({ account: 'acct_1' });
});
afterAll(async () => {
  await stripe.stop();
  await ledger.close();
  await database.drop();
});

describe('two servers of one database', () => {
  const serve = () =>
    servePurser([], {
      env: { ...PRODUCTION, DATABASE_URL: database.url, STRIPE_API_BASE: stripe.url },
    });
  const tokenOf = (userId: string) =>
    signV4Token({
      userId,
      secret: PRODUCTION.NEXTAUTH_SECRET,
      lifetimeSeconds: 600,
      now: Date.now(),
    });

  async function spend({ url }: Served, token: string): Promise<void> {
    const { status } = await fetch(`${url}/api/v1/credits/debit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{"delta":1}',
    });
    expect(status).toBe(200);
  }

  test('what one commits is heard on the other, and SIGTERM ends the streams well', async () => {
    await ledger.post(grant('ada', 100));
    const [here, there, token] = [await serve(), await serve(), await tokenOf('ada')];
    const streams = [await listen(here.url, OWN, token), await listen(there.url, OWN, token)];
    for (const stream of streams) expect(await stream.next()).toMatchObject({ id: 1 });
    for (const [i, server] of [here, there, here].entries()) {
      await spend(server, token);
      for (const stream of streams) {
        const event = { id: i + 2, data: { balance: 99 - i } };
        expect(await stream.next()).toMatchObject(event);
      }
    }
    const { code, took } = await here.stop();
    expect(code).toBe(0);
    expect(took).toBeLessThan(4_000);
    expect(await streams[0]?.rest()).not.toContain('id:');
    // As a client goes on elsewhere.
    await ledger.post(debit('ada', 7));
    const resumed = await listen(there.url, OWN, token, { 'last-event-id': '4' });
    expect(await resumed.next()).toMatchObject({ id: 5, data: { balance: 90 } });
  });
});

const program = process.env['PGBOUNCER'];
if (!program) console.warn('PGBOUNCER is not set: not tested behind a pooler in transaction mode');

test.skipIf(!program)(
  'behind PgBouncer in transaction mode streams hear of everybody',
  async () => {
    const bouncer = await startPgBouncer(program ?? '', database.url);
    const api = await startTestApp({ database, databaseUrl: bouncer.url, live: { everyMs: 50 } });
    onTestFinished(async () => {
      await api.close();
      await bouncer.stop();
    });
    const users = Array.from({ length: 50 }, (_, i) => `pooled-${i}`);
    const streams = await Promise.all(users.map((user) => listenAs(api, user)));
    for (const stream of streams) expect(await stream.next()).toMatchObject({ id: 0 });
    await Promise.all(users.map((user) => api.give(user, 10)));
    for (const stream of streams) expect(await stream.next()).toMatchObject({ id: 1 });
    await Promise.all(users.map((user) => ledger.post(hold(user, 'job', 4))));
    for (const stream of streams) {
      const data = { balance: 10, available: 6, held: 4 };
      expect(await stream.next()).toMatchObject({ id: 2, data });
    }
  },
);

/** A feed, and how many users each of its statements has asked for. */
function createCountedFeed(everyMs: number) {
  const asked: number[] = [];
  const balancesAfter: Ledger['balancesAfter'] = (known) => {
    asked.push(known.size);
    return ledger.balancesAfter(known);
  };
  const feed = createFeed({
    ledger: { ...ledger, balancesAfter },
    log: { warn: () => {} },
    everyMs,
  });
  return { feed, asked };
}

describe('a feed', () => {
  test('of 2,500 users asks for at most 1,000 of them in a statement, and misses nobody', async () => {
    const { feed, asked } = createCountedFeed(50);
    const heard = new Map<string, number>();
    const users = Array.from({ length: 2_500 }, (_, i) => `many-${i}`);
    const stops = await Promise.all(
      users.map((user) => feed.watch(user, ({ balance }) => heard.set(user, balance))),
    );
    expect([...heard.values()]).toEqual(users.map(() => 0));
    await Promise.all(users.map((user) => ledger.post(grant(user, 3))));
    const told = () => [...heard.values()].filter((balance) => balance === 3).length;
    await expect.poll(told, { timeout: 10_000 }).toBe(2_500);
    expect(Math.max(...asked)).toBe(1_000);
    for (const stop of stops) stop();
  });

  test('asks nothing while nobody watches', async () => {
    const { feed, asked } = createCountedFeed(1);
    const posting = feed.watching(ledger);
    const stop = await feed.watch('kim', () => {});
    await expect.poll(() => asked.length).toBeGreaterThan(5);
    stop();
    // What is under way may still be answered; then a whole grant takes longer than many ticks.
    await posting.post(grant('kim', 1));
    asked.length = 0;
    for (let i = 0; i < 20; i += 1) await posting.post(grant('kim', 1));
    expect(asked).toEqual([]);
  });

  test('of a busy account of its own looks now and then, and tells the end', async () => {
    const { feed, asked } = createCountedFeed(3_600_000);
    const posting = feed.watching(ledger);
    const seqs: number[] = [];
    const stop = await feed.watch('busy', ({ seq }) => seqs.push(seq));
    for (let i = 0; i < 500; i += 1) await posting.post(grant('busy', 1));
    await expect.poll(() => seqs.at(-1)).toBe(500);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(new Set(seqs).size).toBe(seqs.length);
    expect(asked.length).toBeLessThan(250);
    stop();
  });
});
