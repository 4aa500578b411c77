import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deliver } from '@purser/fake-stripe/deliver';
import { encode } from 'next-auth/jwt';
import { startLocally } from '../src/cli/start-locally.ts';
import { stopRequested } from '../src/cli/stop-requested.ts';
import { createPool } from '../src/db/pool.ts';
import { verifyLedger } from '../src/ledger/read/verify.ts';

// The story of the product, told through its public HTTP API on a server, a Postgres and a
// simulated Stripe of its own. Every step is checked: when one is not as told, the demo fails.

const interrupted = stopRequested().then(() => {
  throw new Error('the demo was interrupted');
});
// It may come while the server starts, before anybody waits for it.
interrupted.catch(() => {});
const folder = await mkdtemp(join(tmpdir(), 'purser-demo-'));
const { server, standIns, stop } = await startLocally(
  { PORT: '0', LOG_LEVEL: 'warn' },
  folder,
).catch(async (error) => {
  await rm(folder, { recursive: true, force: true });
  throw error;
});
const { NEXTAUTH_SECRET = '', STRIPE_WEBHOOK_SECRET = '', DATABASE_URL = '' } = standIns.env;

try {
  await Promise.race([tell(), interrupted]);
  console.log('\nEverything was as told.\n');
} finally {
  await stop();
  // The data lie elsewhere when the database's user cannot reach the folder.
  for (const made of [standIns.postgres?.folder ?? folder, folder]) {
    await rm(made, { recursive: true, force: true });
  }
}

async function tell(): Promise<void> {
  say('Ada signs in to your Next.js app. next-auth makes her session token:');
  const token = await encode({ token: { sub: 'ada', name: 'Ada' }, secret: NEXTAUTH_SECRET });
  show(`${token.slice(0, 48)}…`);
  const call = createCaller(token);

  say('Nobody without such a token gets in.');
  expectStatus(await createCaller('nonsense')('GET', '/api/v1/me/credits'), 401);

  say('She has no credits yet.');
  const nothing = await call('GET', '/api/v1/me/credits');
  expectStatus(nothing, 200);
  assert.equal(nothing.body.data.balance, 0);

  say('She buys 500. Stripe sends checkout.session.completed, signed.');
  const event = buy();
  const delivered = await deliverEvent(event);
  assert.equal(delivered.status, 200);
  const bought = await call('GET', '/api/v1/me/credits');
  expectStatus(bought, 200);
  assert.equal(bought.body.data.balance, 500);

  say('Stripe sends the same event again, three times at once. Nothing is credited twice.');
  const again = await Promise.all([1, 2, 3].map(() => deliverEvent(event)));
  assert.deepEqual(
    again.map(({ status }) => status),
    [200, 200, 200],
  );
  assert.equal((await call('GET', '/api/v1/me/credits')).body.data.balance, 500);
  show('balance is still 500');

  say('Her app spends 15 credits, 50 times at once: 750 in all, of 500.');
  const spent = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      call('POST', '/api/v1/credits/debit', { delta: 15, reason: `render ${i + 1}` }),
    ),
  );
  const succeeded = spent.filter(({ status }) => status === 200);
  const refused = spent.filter(({ status }) => status === 402);
  show(`${succeeded.length} answered 200, ${refused.length} answered 402`);
  assert.equal(succeeded.length, 33);
  assert.equal(refused.length, 17);

  say('A refusal says what is missing:');
  const tooMuch = await call('POST', '/api/v1/credits/debit', { delta: 15 });
  expectStatus(tooMuch, 402);
  const { code, balance, available, required, shortfall } = tooMuch.body.error;
  assert.deepEqual(
    { code, balance, available, required, shortfall },
    { code: 'insufficient_credits', balance: 5, available: 5, required: 15, shortfall: 10 },
  );

  say('The same Idempotency-Key never spends twice:');
  const key = { 'idempotency-key': 'job-42' };
  const first = await call('POST', '/api/v1/credits/debit', { delta: 5, reason: 'last one' }, key);
  const repeat = await call('POST', '/api/v1/credits/debit', { delta: 5, reason: 'last one' }, key);
  expectStatus(repeat, 200);
  assert.deepEqual(repeat.body, first.body);
  assert.equal(repeat.headers.get('idempotency-replayed'), 'true');

  say('Her statement explains every credit, newest first:');
  const statement = await call('GET', '/api/v1/me/credits/entries?limit=3');
  assert.equal(statement.status, 200);
  for (const { seq, kind, delta, balance, reason } of statement.body.data) {
    show(
      `${String(seq).padStart(3)}  ${kind.padEnd(8)}  ${signed(delta)}  balance ${balance}  ${reason}`,
    );
  }
  assert.equal(statement.body.data[0].balance, 0);

  say('`purser verify` recomputes the whole ledger from its first entry:');
  const pool = createPool({ url: DATABASE_URL, size: 1, onError: () => {} });
  const { accounts, entries, faults } = await verifyLedger(pool);
  await pool.end();
  show(`${accounts} account, ${entries} entries, ${faults.length} faults`);
  assert.deepEqual({ accounts, entries, faults }, { accounts: 1, entries: 35, faults: [] });
}

function buy() {
  assert(standIns.fakeStripe, 'the demo uses the simulated Stripe; unset STRIPE_SECRET_KEY');
  const { id } = standIns.fakeStripe.createSession({
    userId: 'ada',
    lines: [{ price: 'price_starter', quantity: 1 }],
  });
  // The story posts each event itself, to post it again.
  standIns.fakeStripe.deliverTo([]);
  return standIns.fakeStripe.completeSession(id);
}

function deliverEvent(event: ReturnType<typeof buy>): Promise<Response> {
  return deliver(event, { url: `${server.url}/webhooks/stripe`, secret: STRIPE_WEBHOOK_SECRET });
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the demo asserts what it reads
  readonly body: any;
}

function createCaller(token: string) {
  return async (
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> => {
    const answer = await fetch(server.url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  };
}

function expectStatus({ status, body }: Answer, expected: number): void {
  show(`${status} ${JSON.stringify(body)}`);
  assert.equal(status, expected);
}

function say(sentence: string): void {
  console.log(`\n${sentence}`);
}

function show(text: string): void {
  console.log(`    ${text}`);
}

function signed(delta: number): string {
  return `${delta > 0 ? '+' : ''}${delta}`.padStart(5);
}
