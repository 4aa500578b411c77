import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { createEventStream, type EventStream } from '../../src/live/event-stream.ts';
import { rawRequest } from '../http/raw.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { debit, grant, lot } from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type DatabaseProxy, startProxy } from '../support/proxy.ts';
import { listen, listenAs, OWN, streamOf } from './client.ts';

let database: TestDatabase;
let ledger: Ledger;
beforeAll(async () => {
  database = await createTestDatabase();
  ledger = createLedger({ url: database.url, pool: database.pool });
});
afterAll(async () => {
  await ledger.close();
  await database.drop();
});

describe('while the database is away', () => {
  let proxy: DatabaseProxy;
  let api: TestApp;
  let key: string;
  beforeAll(async () => {
    proxy = await startProxy(database.url);
    const times = { check: 100, heartbeat: 100 };
    api = await startTestApp({ database, databaseUrl: proxy.url, live: { everyMs: 50, times } });
    key = await api.makeKey('credits:read');
  });
  afterAll(async () => {
    await proxy.comeBack();
    await api.close();
    await proxy.close();
  });

  test.each([
    ['refuses', () => proxy.goAway()],
    ['hangs', async () => proxy.stall()],
  ])('and %s, streams stay, without a balance; then the right one comes', async (how, begin) => {
    const user = `user-${how}`;
    await ledger.post(grant(user, 100));
    const streams = [await listenAs(api, user), await listen(api.url, streamOf(user), key)];
    for (const stream of streams) expect(await stream.next()).toMatchObject({ id: 1 });
    await begin();
    await ledger.post(debit(user, 1));
    await ledger.post(debit(user, 2));
    for (const stream of streams) {
      for (let comments = 0; comments < 10; comments += 1) await stream.comment();
    }
    const refused = await listenAs(api, user);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    await proxy.comeBack();
    for (const stream of streams) {
      expect(await stream.next()).toMatchObject({ id: 3, data: { balance: 97, available: 97 } });
    }
  });

  test('it is asked no more than once per tick, and the log says so once', async () => {
    const stream = await listenAs(api, 'ada');
    await stream.next();
    await proxy.goAway();
    let attempts = 0;
    const refusing = createServer((socket) => {
      attempts += 1;
      socket.destroy();
    }).listen(Number(new URL(proxy.url).port), '127.0.0.1');
    await once(refusing, 'listening');
    const said = () => api.log.filter((line) => line.includes('what is new for the open streams'));
    const before = said().length;
    await expect.poll(() => attempts).toBeGreaterThan(0);
    attempts = 0;
    // A comment every 100 ms, a tick every 50: a loop without pause would try thousands of times.
    for (let comments = 0; comments < 20; comments += 1) await stream.comment();
    expect(attempts).toBeGreaterThan(5);
    expect(attempts).toBeLessThan(200);
    expect(said()).toHaveLength(before + 1);
    refusing.close();
    await once(refusing, 'close');
    await proxy.comeBack();
    await ledger.post(grant('ada', 5));
    expect(await stream.next()).toMatchObject({ id: 1, data: { balance: 5 } });
  });

  test('a commit that arrives late is not passed by, though others came after it', async () => {
    const late = createLedger({ url: proxy.url, pool: database.pool });
    onTestFinished(() => late.close());
    await ledger.post(grant('late', 10));
    const [first, second] = [await listenAs(api, 'late'), await listenAs(api, 'punctual')];
    await Promise.all([first.next(), second.next()]);
    proxy.breakNextCommit('delay-the-request');
    const outcome = late.post(debit('late', 4)).catch((error: unknown) => error);
    await expect.poll(() => proxy.broken()).toBe(1);
    await ledger.post(grant('punctual', 3));
    expect(await second.next()).toMatchObject({ id: 1, data: { balance: 3 } });
    proxy.deliverCommit();
    expect(await first.next()).toMatchObject({ id: 2, data: { balance: 6 } });
    await outcome;
  });
});

describe('a client that does not read', () => {
  /** A stream on a connection of its own, and the client's end of it, which reads nothing yet. */
  async function openToNobody() {
    const opened = Promise.withResolvers<{ stream: EventStream; request: IncomingMessage }>();
    const server = createHttpServer((request, response) => {
      const stream = createEventStream(response);
      stream.open({});
      opened.resolve({ stream, request });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
    client.write('GET / HTTP/1.1\r\nHost: purser\r\n\r\n');
    onTestFinished(() => {
      client.destroy();
      server.close();
    });
    return { client, ...(await opened.promise) };
  }

  const DATA = 'x'.repeat(100_000);

  test('costs two events, and gets the newest when it reads', async () => {
    const { client, stream, request } = await openToNobody();
    let sent = 0;
    const send = async () => {
      sent += 1;
      stream.send(sent, DATA);
      await turn();
    };
    // Until neither end of the connection takes any more.
    for (let stuck = 0; stuck < 50; stuck = stream.stuckFor(performance.now()) > 0 ? stuck + 1 : 0)
      await send();
    for (let more = 0; more < 1_000; more += 1) await send();
    expect(request.socket.writableLength).toBeLessThan(2 * DATA.length);

    let text = '';
    client.on('data', (chunk) => {
      text += chunk;
    });
    client.resume();
    await expect.poll(() => text.includes(`id: ${sent}\n`), { timeout: 10_000 }).toBe(true);
    expect([...text.matchAll(/^id: /gm)].length).toBeLessThan(sent - 900);
  });

  test('is cut off when it is stuck for long, and harms no other', async () => {
    const live = { everyMs: 1, times: { check: 20, patience: 200 } };
    const api = await startTestApp({ database, live, env: { MAX_OPEN_LOTS: '1000' } });
    onTestFinished(() => api.close());
    // 1,000 lots are an event of 100 KB.
    const grants = Array.from({ length: 1_000 }, (_, i) => lot(1, { priority: i }));
    const limits = { openLots: 1_000, openHolds: 1 };
    const rich = createLedger({ url: database.url, pool: database.pool, limits });
    onTestFinished(() => rich.close());
    for (let i = 0; i < 1_000; i += 50) {
      const [first = lot(1), ...more] = grants.slice(i, i + 50);
      await rich.post(grant('rich', 1, { grants: [first, ...more] }));
    }
    const reader = await listenAs(api, 'rich');
    const port = Number(new URL(api.url).port);
    const deaf = connect(port, '127.0.0.1').pause();
    deaf.on('error', () => {});
    deaf.write(await rawRequest(api, 'rich', { line: `GET ${OWN} HTTP/1.1` }));
    const connections = () =>
      new Promise<number>((resolve) =>
        api.app.server.getConnections((_error, count) => resolve(count)),
      );
    await expect.poll(connections).toBe(2);
    let spent = 0;
    while ((await connections()) === 2) {
      await rich.post(debit('rich', 1));
      spent += 1;
      await reader.next();
    }
    expect(spent).toBeGreaterThan(5);
    await rich.post(debit('rich', 1));
    expect(await reader.until(1_000 + spent + 1)).toMatchObject({
      data: { balance: 1_000 - spent - 1 },
    });
    deaf.destroy();
  });
});

test('closing the server ends its streams at once', async () => {
  const api = await startTestApp({ database });
  const streams = [await listenAs(api, 'ada'), await listenAs(api, 'bob')];
  for (const stream of streams) await stream.next();
  // Waits until every connection has ended by itself.
  await api.app.close();
  for (const stream of streams) expect(await stream.rest()).toBe('');
  await api.close();
});
