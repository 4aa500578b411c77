import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type PastEntry, writeHistory } from '../support/history.ts';
import { type DatabaseProxy, startProxy } from '../support/proxy.ts';

let database: TestDatabase;
let proxy: DatabaseProxy;
let api: TestApp;
let key: string;
beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startProxy(database.url);
  api = await startTestApp({ database, databaseUrl: proxy.url });
  key = await api.makeKey('credits:read');
  await writeHistory(database, 'long', [
    { kind: 'purchase', delta: 100_000, reason: 'é🎨' },
    ...Array.from({ length: 19_999 }, (_, i): PastEntry => {
      const rare = i % 4_000 === 0 ? 'rare' : `job-${i}`;
      return { kind: 'debit', delta: -1, ref: rare, reason: 'x'.repeat(100) };
    }),
  ]);
});
afterAll(async () => {
  await api.close();
  await proxy.close();
  await database.drop();
});

const exported = (userId: string, query: string) =>
  api.call('GET', `/api/v1/me/credits/entries/export?${query}`, { as: userId });

const linesOf = (text: string) => text.trimEnd().split('\n');

/** Follows the cursors to the end and turns the order round. */
async function readPages(userId: string, query = ''): Promise<{ seq: number }[]> {
  const all: { seq: number }[] = [];
  let next = '';
  do {
    const url = `/api/v1/me/credits/entries?limit=100${query}${next}`;
    const { body } = await api.call('GET', url, { as: userId });
    all.push(...body.data);
    next = body.next_cursor === null ? '' : `&cursor=${body.next_cursor}`;
  } while (next !== '');
  return all.reverse();
}

/** Reads records as RFC 4180 has them. */
function parseCsv(text: string): string[][] {
  const records: string[][] = [];
  for (let at = 0; at < text.length; ) {
    const record: string[] = [];
    for (let end = ','; end === ','; ) {
      const cell = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/.exec(text.slice(at, at + 5_000));
      if (!cell) throw new Error(`no cell at ${at}: ${text.slice(at, at + 50)}`);
      record.push(cell[1]?.replaceAll('""', '"') ?? cell[2] ?? '');
      end = cell[3] ?? '';
      at += cell[0].length;
    }
    records.push(record);
  }
  return records;
}

describe('20,000 entries', () => {
  let pages: { seq: number }[];
  beforeAll(async () => {
    pages = await readPages('long');
  });

  test('as NDJSON are the pages of the statement, oldest first', async () => {
    const { headers, text } = await exported('long', 'format=ndjson');
    expect(headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'content-disposition': 'attachment; filename="credits.ndjson"',
      'cache-control': 'no-store',
    });
    const lines = linesOf(text);
    expect(lines).toHaveLength(20_000);
    expect(lines.map((line) => JSON.parse(line))).toEqual(pages);
  });

  test('as CSV are the same, with a header', async () => {
    const { headers, text } = await exported('long', 'format=csv');
    expect(headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': 'attachment; filename="credits.csv"',
    });
    const [header = [], ...records] = parseCsv(text);
    const cells = (entry: object) =>
      header.map((column) => {
        const value = (entry as Record<string, unknown>)[column] ?? '';
        return typeof value === 'object' ? JSON.stringify(value) : String(value);
      });
    expect([...header].sort()).toEqual(Object.keys(pages[0] ?? {}).sort());
    expect(records).toEqual(pages.map(cells));
  });

  test('are filtered as the pages are, for a service key too', async () => {
    const seqs = [2, 4_002, 8_002, 12_002, 16_002];
    const url = '/api/v1/users/long/credits/entries/export?format=ndjson&ref=rare';
    const theirs = await api.call('GET', url, { key });
    const mine = await exported('long', 'format=ndjson&ref=rare');
    expect(linesOf(mine.text).map((line) => JSON.parse(line).seq)).toEqual(seqs);
    expect(theirs.text).toBe(mine.text);
  });
});

test('a user without entries gets a header and nothing else', async () => {
  expect(parseCsv((await exported('nobody', 'format=csv')).text)).toHaveLength(1);
  expect((await exported('nobody', 'format=ndjson')).text).toBe('');
});

test('a cell can hold what CSV is made of, and none is a formula', async () => {
  const texts = [
    ...['a,b', 'say "hi"', 'two\nlines', 'cr\r\nlf', '"', ',', ' ', "'quoted'", 'é🎨', ''],
    ...['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', ' =1', '\n=1', '=cmd|"/c calc"!A1', '＝1', '-'],
  ];
  const past = texts.map((reason): PastEntry => ({ kind: 'debit', delta: -7, reason }));
  await writeHistory(database, 'texts', [{ kind: 'bonus', delta: 1_000 }, ...past]);
  const [header = [], , ...records] = parseCsv((await exported('texts', 'format=csv')).text);
  const column = (name: string) => records.map((record) => record[header.indexOf(name)]);
  expect(column('reason')).toEqual(
    texts.map((text) => (texts.indexOf(text) >= 10 ? `'${text}` : text)),
  );
  expect(column('delta')).toEqual(texts.map(() => '-7'));
  const { text } = await exported('texts', 'format=ndjson');
  expect(linesOf(text).map((line) => JSON.parse(line).reason)).toEqual([null, ...texts]);
});

test.each([
  ['', 'format', 'is missing'],
  ['format=xlsx', 'format', 'must be one of csv, ndjson'],
  ['format=csv&limit=5', 'limit', 'is not known here'],
  ['format=csv&cursor=5', 'cursor', 'is not known here'],
])('export?%s is a 400', async (query, field, problem) => {
  const { status, body } = await exported('long', query);
  expect([status, body.error.field]).toEqual([400, field]);
  expect(body.error.message).toContain(`The query parameter \`${field}\` ${problem}`);
});

test('HEAD is refused: it would read it all for nobody', async () => {
  const { status } = await api.call('HEAD', '/api/v1/me/credits/entries/export', { as: 'long' });
  expect(status).toBe(405);
});

/** A reader of its own pace, whom the server has answered, over a connection of its own. */
async function open(query: string, version = '1.1') {
  const { port } = api.app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  let text = '';
  const errors: string[] = [];
  socket.on('error', ({ message }) => errors.push(message));
  await once(socket, 'connect');
  socket.write(
    `GET /api/v1/me/credits/entries/export?${query} HTTP/${version}\r\nHost: a\r\n` +
      `Authorization: Bearer ${await api.tokenOf('long')}\r\nConnection: close\r\n\r\n`,
  );
  const [chunk] = await once(socket, 'data');
  socket.pause();
  text += chunk;
  return {
    socket,
    /** What came in all, and how the connection ended. */
    async readOn() {
      socket.on('data', (more) => {
        text += more;
      });
      socket.resume();
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
      return { text, errors };
    },
  };
}

/** How many queries the export has running or has sent since: what the database says. */
const reads = async () => {
  const [row] = await database.sql<{ n: number }>(
    `SELECT count(*) AS n FROM pg_stat_activity
      WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()`,
  );
  return row?.n;
};

const connections = () =>
  new Promise<number>((resolve) => {
    api.app.server.getConnections((_error, count) => resolve(count));
  });

describe('a reader that stands still', () => {
  test('keeps no connection from others, and sees nothing that happens meanwhile', async () => {
    const readers = await Promise.all(Array.from({ length: 4 }, () => open('format=ndjson')));
    await expect.poll(reads).toBe(0);
    const { status } = await api.call('GET', '/api/v1/me/credits/entries', { as: 'long' });
    expect(status).toBe(200);
    await database.sql(
      `INSERT INTO credit_ledger (user_id, seq, id, kind, delta, balance, held, draws, actor,
                                  created_at, hash)
       SELECT user_id, 20001, gen_random_uuid(), kind, delta, balance - 1, held, draws, actor,
              created_at, hash
         FROM credit_ledger WHERE user_id = 'long' AND seq = 20000`,
    );
    for (const reader of readers) {
      const { text, errors } = await reader.readOn();
      expect(errors).toEqual([]);
      expect(text.endsWith('0\r\n\r\n')).toBe(true);
      expect(text).toContain('"seq":20000,');
      expect(text).not.toContain('"seq":20001,');
    }
  });

  test('keeps a place, of which an account has four at once for each caller', async () => {
    const before = await connections();
    const readers = await Promise.all(Array.from({ length: 4 }, () => open('format=ndjson')));
    const { status, headers, body } = await exported('long', 'format=ndjson');
    expect([status, headers['retry-after'], body.error]).toEqual([
      ...[429, '10'],
      {
        code: 'rate_limited',
        message: 'There are 4 exports under way of this account already; end one, or wait.',
      },
    ]);
    const url = '/api/v1/users/long/credits/entries/export?format=ndjson';
    expect((await api.call('GET', url, { key })).status).toBe(200);
    expect((await exported('nobody', 'format=ndjson')).status).toBe(200);
    readers[0]?.socket.destroy();
    await expect.poll(async () => (await exported('long', 'format=ndjson')).status).toBe(200);
    for (const { socket } of readers) socket.destroy();
    await expect.poll(connections).toBe(before);
  });

  test('that goes away ends the reading', async () => {
    const before = await connections();
    const reader = await open('format=ndjson');
    expect(await connections()).toBe(before + 1);
    reader.socket.destroy();
    await expect.poll(connections).toBe(before);
    await expect.poll(reads).toBe(0);
  });
});

describe('a database that goes away', () => {
  test('before the first byte is a 503', async () => {
    await proxy.goAway();
    const { status, headers, body } = await exported('long', 'format=csv');
    expect([status, body.error.code]).toEqual([503, 'database_unavailable']);
    expect(headers['content-disposition']).toBeUndefined();
    await proxy.comeBack();
  });

  test.each(['1.1', '1.0'])('in the middle breaks the connection of HTTP/%s', async (version) => {
    const reader = await open('format=ndjson', version);
    await proxy.goAway();
    const { text, errors } = await reader.readOn();
    expect(errors).toEqual(['read ECONNRESET']);
    expect(text.endsWith('0\r\n\r\n')).toBe(false);
    expect(text).not.toContain('"seq":20000,');
    expect(api.log.at(-1)).toContain('the export broke off');
    await proxy.comeBack();
  });
});
