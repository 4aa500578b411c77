import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type FakeStripe, startFakeStripe } from '../../packages/fake-stripe/src/fake-stripe.ts';
import { signV4Token } from '../../src/auth/sign-token.ts';
import { createLedger } from '../../src/ledger/ledger.ts';
import { grant } from '../support/commands.ts';
import {
  createEmptyDatabase,
  createTestDatabase,
  holdAccount,
  type TestDatabase,
} from '../support/database.ts';
import { PRODUCTION } from '../support/environment.ts';
import { type Served, servePurser, startPurser } from '../support/process.ts';
import { startProxy } from '../support/proxy.ts';

/** Bounds for a wait that ends almost at once. */
const SOON = { interval: 5, timeout: 10_000 };

let stripe: FakeStripe;
beforeAll(async () => {
  stripe = await startFakeStripe({ account: 'acct_1' });
});
afterAll(() => stripe.stop());

const environmentFor = (databaseUrl: string) => ({
  ...PRODUCTION,
  PORT: '0',
  DATABASE_URL: databaseUrl,
  STRIPE_API_BASE: stripe.url,
});

const serveOn = (databaseUrl: string) => servePurser([], { env: environmentFor(databaseUrl) });

const locksAwaitedIn = (database: TestDatabase) =>
  database.sql(`SELECT FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'`);

/** A database in which a user has a million credits. */
async function databaseWithCredits(userId: string): Promise<TestDatabase> {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const ledger = createLedger({ url: database.url, pool: database.pool });
  await ledger.post(grant(userId, 1_000_000));
  await ledger.close();
  return database;
}

const tokenOf = (userId: string) =>
  signV4Token({
    userId,
    secret: PRODUCTION.NEXTAUTH_SECRET,
    lifetimeSeconds: 600,
    now: Date.now(),
  });

/** What became of a debit of one credit: its status, or why there was no answer. */
interface Debit {
  readonly key: string;
  readonly status: number | null;
  readonly error: string | null;
}

/** A client with one connection, which it keeps as long as the server does. */
function connectClient(server: Served, token: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const debit = (): Promise<Debit> =>
    new Promise((resolve) => {
      const key = randomUUID();
      const sent = request(`${server.url}/api/v1/credits/debit`, {
        agent,
        method: 'POST',
        timeout: 10_000,
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
      });
      sent.on('response', (response) => {
        const { statusCode: status = 0 } = response;
        response.resume().on('end', () => resolve({ key, status, error: null }));
        response.on('error', ({ message }) => resolve({ key, status: null, error: message }));
      });
      sent.on('timeout', () => sent.destroy(new Error('no answer in 10 s')));
      sent.on('error', (error: NodeJS.ErrnoException) =>
        resolve({ key, status: null, error: error.code ?? error.message }),
      );
      sent.end('{"delta":1}');
    });
  return { debit, close: () => agent.destroy() };
}

async function keysInLedger(database: TestDatabase): Promise<readonly string[]> {
  const rows = await database.sql<{ key: string }>(
    `SELECT idempotency_key AS key FROM credit_ledger WHERE kind = 'debit'`,
  );
  return rows.map(({ key }) => key);
}

test('SIGTERM under load loses nothing that was acknowledged, and nobody’s answer', async () => {
  const database = await databaseWithCredits('ann');
  const server = await serveOn(database.url);
  const token = await tokenOf('ann');
  const debits: Debit[] = [];
  const clients = Array.from({ length: 8 }, async () => {
    const client = connectClient(server, token);
    for (let last: Debit | null = null; !last?.error; debits.push(last))
      last = await client.debit();
    client.close();
  });
  await expect.poll(() => debits.length, SOON).toBeGreaterThan(200);
  const { code, took } = await server.stop('SIGTERM');
  await Promise.all(clients);

  expect(code).toBe(0);
  expect(took).toBeLessThan(10_000);
  const answered = debits.filter(({ error }) => error === null);
  expect(new Set(answered.map(({ status }) => status))).toEqual(new Set([200]));
  // Exactly what was answered is in the ledger: a request that met a closed connection was not
  // accepted, or its client would not know whether it has paid.
  const inLedger = await keysInLedger(database);
  const paid = answered.map(({ key }) => inLedger.find((stored) => stored.endsWith(key)));
  expect(paid).not.toContain(undefined);
  expect(inLedger).toHaveLength(answered.length);
  const ends = [null, 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'];
  for (const { error } of debits) expect(ends).toContain(error);
});

test('debits in flight get their answer after SIGTERM, and after a second signal', async () => {
  const database = await databaseWithCredits('ann');
  const server = await serveOn(database.url);
  const token = await tokenOf('ann');
  const hold = await holdAccount(database, 'ann');
  const clients = Array.from({ length: 6 }, () => connectClient(server, token));
  const inFlight = clients.map(({ debit }) => debit());
  await expect.poll(() => locksAwaitedIn(database), SOON).toHaveLength(1);

  const stopped = server.stop('SIGTERM');
  const refused = () =>
    fetch(`${server.url}/livez`).then(
      () => false,
      () => true,
    );
  await expect.poll(refused, SOON).toBe(true);
  // As npm does, which passes on a Ctrl-C that the terminal has sent to all.
  process.kill(server.pid, 'SIGINT');
  await hold.release();

  const debits = await Promise.all(inFlight);
  for (const client of clients) client.close();
  expect(debits.map(({ error }) => error)).toEqual(Array(6).fill(null));
  // On a slow machine one may have waited too long for the lock, and was told so by a 503.
  const paid = debits.filter(({ status }) => status === 200);
  expect(paid.length).toBeGreaterThan(0);
  expect(await keysInLedger(database)).toHaveLength(paid.length);
  expect((await stopped).code).toBe(0);
});

test('a client that never finishes its request cannot hold up the shutdown', async () => {
  const database = await databaseWithCredits('ann');
  const server = await serveOn(database.url);
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.write(
    'POST /webhooks/stripe HTTP/1.1\r\nHost: purser\r\nContent-Type: application/json\r\n' +
      'Content-Length: 100\r\nExpect: 100-continue\r\n\r\n',
  );
  const [answer] = await once(socket, 'data');
  expect(String(answer)).toContain('100 Continue');
  const { code, took } = await server.stop('SIGTERM');
  expect(code).toBe(0);
  expect(took).toBeLessThan(10_000);
});

test('SIGTERM while the database says nothing ends within 10 s all the same', async () => {
  const database = await databaseWithCredits('ann');
  const proxy = await startProxy(database.url);
  onTestFinished(() => proxy.close());
  const server = await serveOn(proxy.url);
  const client = connectClient(server, await tokenOf('ann'));
  expect((await client.debit()).status).toBe(200);
  proxy.stall();
  const inFlight = client.debit();
  const { took } = await server.stop('SIGTERM');
  expect(took).toBeLessThan(10_000);
  expect((await inFlight).status ?? 'cut off').not.toBe(200);
  client.close();
});

test('SIGTERM while the server still starts is not forgotten', async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const holder = await database.pool.connect();
  await holder.query('BEGIN; LOCK purser_migrations');
  const server = startPurser(['serve'], { env: environmentFor(database.url) });
  await expect.poll(() => locksAwaitedIn(database), SOON).toHaveLength(1);
  const stopped = server.stop('SIGTERM');
  await holder.query('COMMIT');
  holder.release();
  expect((await stopped).code).toBe(0);
});

test('two servers that start at once on an empty database migrate it once, and both serve', async () => {
  const database = await createEmptyDatabase();
  onTestFinished(() => database.drop());
  // Named as an older deployment names it, with SQLAlchemy's driver.
  const ASYNC_DATABASE_URL = database.url.replace('postgres:', 'postgresql+asyncpg:');
  const { DATABASE_URL: _, ...others } = environmentFor('');
  const env = { ...others, ASYNC_DATABASE_URL };
  const servers = await Promise.all([servePurser([], { env }), servePurser([], { env })]);
  const applied = servers.flatMap(({ stdout }) => stdout().match(/Applied migration \w+/g) ?? []);
  expect(applied.length).toBeGreaterThan(0);
  expect(new Set(applied).size).toBe(applied.length);
  for (const server of servers) {
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect((await server.stop()).code).toBe(0);
  }
});
