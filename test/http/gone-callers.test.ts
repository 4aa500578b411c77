import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { lockWaits } from '../support/database.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
});
afterAll(() => api.close());

const USER = '/api/v1/users/ada';

const connections = () =>
  new Promise<number>((resolve) => {
    api.app.server.getConnections((_error, count) => resolve(count));
  });

/** Sends the same over so many connections, and cuts them while the table that it needs is locked. */
async function abandon(text: string, table: string, count: number): Promise<void> {
  await expect.poll(connections).toBe(0);
  const { port } = api.app.server.address() as AddressInfo;
  const holder = await api.database.pool.connect();
  try {
    await holder.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) socket.on('error', () => {}).write(text);
    await expect.poll(connections).toBe(count);
    await expect.poll(() => lockWaits(api.database)).toBeGreaterThan(0);
    for (const socket of sockets) socket.destroy();
    await expect.poll(connections).toBe(0);
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
}

/** How it begins to be answered, on a connection that is cut then. */
async function statusOf(path: string, key: string): Promise<number | undefined> {
  const headers = { authorization: `Bearer ${key}` };
  const request = get(`${api.url}${path}`, { agent: false, headers });
  request.on('error', () => {});
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  request.destroy();
  return response.statusCode;
}

describe.each([
  { what: 'an export', path: `${USER}/credits/entries/export?format=ndjson`, places: 4 },
  { what: 'a stream', path: `${USER}/credits/stream`, places: 10 },
])('$what of a caller who is gone leaves no place taken', ({ path, places }) => {
  const ask = (url: string, key: string) =>
    `GET ${url} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n\r\n`;

  test('when that was before the key was known', async () => {
    const key = await api.makeKey('credits:read');
    await abandon(ask(path, key), 'service_keys', places);
    await expect.poll(() => statusOf(path, key)).toBe(200);
  });

  test('when it waited for the answer before it, on the same connection', async () => {
    const key = await api.makeKey('credits:read');
    expect(await statusOf(path, key)).toBe(200);
    await abandon(ask(`${USER}/credits`, key) + ask(path, key), 'credit_ledger', places);
    await expect.poll(() => statusOf(path, key)).toBe(200);
  });
});
