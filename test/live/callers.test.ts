import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createGuard } from '../../src/auth/guard.ts';
import { revokeKey } from '../../src/auth/key-store.ts';
import { signV4Token } from '../../src/auth/sign-token.ts';
import { userDoor } from '../../src/door.ts';
import { ErrorBody } from '../../src/envelope.ts';
import { handleError } from '../../src/http/error-handler.ts';
import { streamCreditsRoute } from '../../src/http/routes/stream-credits.ts';
import { requireUser } from '../../src/identity.ts';
import { createLedger } from '../../src/ledger/ledger.ts';
import { createFeed } from '../../src/live/feed.ts';
import { createStreams } from '../../src/live/streams.ts';
import { claimsAt, createSessions, OPTIONS } from '../auth/harness.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { grant } from '../support/commands.ts';
import { listen, listenAs, OWN, streamOf } from './client.ts';

const HOUR = 3_600_000;
const SECRET = 'kV9dQ2mX7tR4wZ8pL1sN6cB3yF5hJ0gA';
const EVENT = /^id: \d+$/m;

let api: TestApp;
let other: TestApp;
let admin: string;
beforeAll(async () => {
  api = await startTestApp({ live: { everyMs: 50, times: { check: 100 } } });
  other = await startTestApp({ database: api.database });
  admin = await api.makeKey('admin');
});
afterAll(async () => {
  await other.close();
  await api.close();
});

const logged = (text: string) => api.log.filter((line) => line.includes(text));

test('a stream ends when its token expires', async () => {
  // Over, and tolerated for two more seconds.
  const now = Date.now() - 15_000;
  const token = await signV4Token({ userId: 'eve', secret: SECRET, lifetimeSeconds: 2, now });
  const stream = await listen(api.url, OWN, token);
  expect(await stream.next()).toMatchObject({ id: 0 });
  expect(await stream.rest()).not.toMatch(EVENT);
  expect((await listen(api.url, OWN, token)).status).toBe(401);
  expect(logged('a stream was ended')).toHaveLength(1);
});

test.each(['this', 'another'] as const)(
  'a stream ends when its user’s sessions are revoked on %s server',
  async (where) => {
    const [userId, staying] = [`${where}-ada`, `${where}-bob`];
    const [stream, another] = [await listenAs(api, userId), await listenAs(api, staying)];
    await Promise.all([stream.next(), another.next()]);
    const server = where === 'this' ? api : other;
    const url = `/api/v1/users/${userId}/revoke-sessions`;
    expect((await server.call('POST', url, { key: admin })).status).toBe(200);
    expect(await stream.rest()).not.toMatch(EVENT);
    expect((await listenAs(api, userId)).status).toBe(401);
    await other.give(staying, 5);
    expect(await another.next()).toMatchObject({ data: { balance: 5 } });
  },
);

describe('the stream of a service key ends', () => {
  const opened = async (key: string) => {
    const stream = await listen(api.url, streamOf('ada'), key);
    await stream.next();
    return stream;
  };

  test('when the key is revoked', async () => {
    const [key, staying] = [await api.makeKey('credits:read'), await api.makeKey('credits:read')];
    const [stream, another] = [await opened(key), await opened(staying)];
    await revokeKey(api.database.pool, key.slice(0, 18));
    expect(await stream.rest()).not.toMatch(EVENT);
    expect((await listen(api.url, streamOf('ada'), key)).status).toBe(401);
    await other.give('ada', 5);
    expect(await another.next()).toMatchObject({ data: { balance: 5 } });
  });

  test('when the key expires', async () => {
    const key = await api.makeKey('credits:read');
    const stream = await opened(key);
    await api.database.sql('UPDATE service_keys SET expires_at = now() WHERE prefix = $1', [
      key.slice(0, 18),
    ]);
    expect(await stream.rest()).not.toMatch(EVENT);
  });

  test('when the key loses the scope', async () => {
    const key = await api.makeKey('credits:read', 'credits:spend');
    const stream = await opened(key);
    await api.database.sql(`UPDATE service_keys SET scopes = '{credits:spend}' WHERE prefix = $1`, [
      key.slice(0, 18),
    ]);
    expect(await stream.rest()).not.toMatch(EVENT);
    expect((await listen(api.url, streamOf('ada'), key)).status).toBe(403);
    expect(logged(`lacks credits:read`)).not.toEqual([]);
  });
});

/** A server whose clock the test sets, with tokens that a JWKS address vouches for. */
async function startWithKeys(patience: number) {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
  const set = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'EdDSA' }] };
  const address = { away: false, fetches: 0 };
  const vouching = createServer((_request, response) => {
    address.fetches += 1;
    response.writeHead(address.away ? 500 : 200).end(JSON.stringify(set));
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void vouching.close());
  await new Promise((resolve) => vouching.once('listening', resolve));

  const clock = { now: Date.now() };
  const url = `http://127.0.0.1:${(vouching.address() as AddressInfo).port}/`;
  const jwks = { url, issuer: 'https://shop.example', audience: null };
  const sessions = createSessions({ ...OPTIONS, formats: [], jwks }, () => clock.now);
  const guard = createGuard(sessions);
  const { pool } = api.database;
  const ledger = createLedger({ url: api.database.url, pool });
  onTestFinished(() => ledger.close());
  const feed = createFeed({ ledger, log: { warn: () => {} }, everyMs: 20 });
  const times = { check: 50, heartbeat: 50, patience };
  const app = fastify({ forceCloseConnections: true });
  onTestFinished(() => app.close());
  app.addHook('onRequest', guard).addHook('preParsing', requireUser);
  app.addSchema(ErrorBody);
  app.setErrorHandler(handleError);
  const streams = createStreams({ feed, guard, limit: 10, times });
  await app.register(streamCreditsRoute(streams, userDoor('all')));
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });

  const claims = { ...claimsAt(clock.now), exp: clock.now / 1000 + 10 * 3_600 };
  const token = await new SignJWT({ ...claims, iss: jwks.issuer })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'k' })
    .sign(privateKey);
  return { address, clock, ledger, listen: () => listen(origin, OWN, token) };
}

describe('while the signing keys are away', () => {
  test('balances are held back, and the newest comes when the keys are there again', async () => {
    const { address, clock, ledger, ...server } = await startWithKeys(HOUR);
    const stream = await server.listen();
    expect(await stream.next()).toMatchObject({ id: 0 });
    address.away = true;
    // What was known of the token and of the keys is too old to go by.
    clock.now += 2 * HOUR;
    await expect.poll(() => address.fetches).toBe(2);
    expect((await server.listen()).status).toBe(503);
    await ledger.post(grant('user-1', 5));
    await ledger.post(grant('user-1', 6));
    for (let comments = 0; comments < 10; comments += 1) await stream.comment();
    address.away = false;
    clock.now += 60_000;
    expect(await stream.next()).toMatchObject({ id: 2, data: { balance: 11 } });
  });

  test('the stream ends when that takes too long', async () => {
    const { address, clock, ...server } = await startWithKeys(300);
    const stream = await server.listen();
    await stream.next();
    address.away = true;
    clock.now += 2 * HOUR;
    expect(await stream.rest()).not.toMatch(EVENT);
    expect(address.fetches).toBe(2);
  });
});
