import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
});
afterAll(() => api.close());

const START = 1_000_000;
/** An address, and the names of the amount and of the note in its body. */
type Spending = readonly [url: string, amount: string, note: string];
const SPENDING: readonly Spending[] = [
  ['/api/v1/credits/debit', 'delta', 'reason'],
  ['/api/v1/use-credits', 'units', 'ref'],
];

const text = fc.string({ unit: 'binary', maxLength: 20 });
const value = fc.oneof(fc.integer({ min: -2, max: 9 }), fc.double(), text, fc.jsonValue());

/** Mostly what is right, so that by far not all that is sent is refused. */
const mostly = <T>(right: fc.Arbitrary<T>, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: right }, { weight: 1, arbitrary: other });

/** Bodies that are nearly right, so that many of them are. */
const nearlyRight = ([, amount, note]: Spending) =>
  fc
    .record(
      {
        [amount]: mostly<unknown>(fc.integer({ min: 1, max: 5 }), value),
        [note]: mostly<unknown>(fc.constantFrom('job 1', 'é'), value),
      },
      { requiredKeys: [amount] },
    )
    .map((body) => JSON.stringify(body));

const body = (spending: Spending) =>
  fc.oneof(
    { weight: 4, arbitrary: nearlyRight(spending) },
    { weight: 2, arbitrary: fc.jsonValue().map((json) => JSON.stringify(json)) },
    { weight: 1, arbitrary: text },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)) },
  );

/** What may stand in a header: no control characters, which no client and no parser lets pass. */
const headerValue = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
  maxLength: 300,
});
const header = (...usual: string[]) =>
  mostly(fc.constantFrom(...usual), headerValue).filter((one) => !/^\s|\s$|\x7f/.test(one));
const headers = fc.record(
  {
    'content-type': mostly(
      fc.constant('application/json'),
      header('text/plain', 'application/json; charset=x'),
    ),
    'idempotency-key': mostly(fc.uuid(), header('k', 'K', 'é')),
    'x-request-id': header('abc', 'a b'),
    origin: header('null', 'http://localhost:3000'),
    accept: header('text/html', '*/*'),
    'accept-encoding': header('gzip'),
    'if-none-match': header('*'),
    range: header('bytes=0-1'),
    'x-http-method-override': header('DELETE'),
    'x-forwarded-for': header('127.0.0.1'),
  },
  { requiredKeys: ['content-type'] },
);

test.each(SPENDING)(
  'whatever is sent to %s, only a 200 spends, and exactly what it says',
  async (...spending) => {
    const user = `fuzz-${spending[1]}`;
    await api.give(user, START);
    let seen = await api.onRecord(user);
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(body(spending), headers, async (sent, given) => {
        const answer = await api.call('POST', spending[0], {
          as: user,
          body: sent,
          headers: given,
        });
        statuses.add(answer.status);
        expect(answer.status).toBeLessThan(500);
        const now = await api.onRecord(user);
        const spent = answer.status === 200 && answer.headers['idempotency-replayed'] !== 'true';
        const delta = spent ? answer.body.data.entry.delta : 0;
        expect(now.balance - seen.balance).toBe(delta);
        expect(now.entries - seen.entries).toBe(spent ? 1 : 0);
        seen = now;
      }),
      { numRuns: 300 },
    );
    expect([...statuses]).toEqual(expect.arrayContaining([200, 400]));
  },
);

test('no random address, query or token is let in or breaks anything', async () => {
  const path = fc.oneof(
    fc.constantFrom(
      '/api/v1/me/credits',
      '/api/v1/me/credits/entries',
      '/api/v1/me/hello',
      '/docs',
    ),
    fc.webPath(),
  );
  const token = fc.oneof(
    headerValue,
    headerValue.map((one) => `Bearer ${one}`),
  );
  await fc.assert(
    fc.asyncProperty(path, fc.webQueryParameters(), token, async (url, query, authorization) => {
      const answer = await api.call('GET', `${url || '/'}?${query}`, {
        headers: { authorization },
      });
      expect(answer.status).toBeLessThan(500);
      if (url.startsWith('/api')) expect([401, 404]).toContain(answer.status);
    }),
    { numRuns: 200 },
  );
});

test('no random page of a statement breaks anything', async () => {
  const number = fc.oneof(fc.integer(), fc.maxSafeNat(), text.map(encodeURIComponent));
  await fc.assert(
    fc.asyncProperty(number, number, async (limit, cursor) => {
      const url = `/api/v1/me/credits/entries?limit=${limit}&cursor=${cursor}`;
      const { status } = await api.call('GET', url, { as: 'fuzz-delta' });
      expect([200, 400]).toContain(status);
    }),
    { numRuns: 150 },
  );
});
