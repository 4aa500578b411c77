import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PurserError } from '../../src/errors.ts';
import { claimsAt, createSessions, judge, OPTIONS } from './harness.ts';

const ISSUER = 'https://shop.example';
const START = Date.now();
const COOLDOWN = 10_000;
const MAX_AGE = 10 * 60_000;
const MAX_STALE = 60 * 60_000;

/** Key pairs are slow to make, so one of each kind serves all tests. */
const keys = new Map<string, { privateKey: CryptoKey; jwk: JWK }>();
for (const alg of ['RS256', 'ES256', 'EdDSA']) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  keys.set(alg, { privateKey, jwk: { ...(await exportJWK(publicKey)), kid: alg, alg } });
}
const publicJwks = [...keys.values()].map(({ jwk }) => jwk);
const anHourLater = { exp: Math.floor(START / 1000) + 7200 };

function sign(alg: string, claims: object = {}, kid: string | undefined = alg): Promise<string> {
  const { privateKey } = keys.get(alg) ?? {};
  if (privateKey === undefined) throw new Error(`no ${alg} key`);
  return new SignJWT({ ...claimsAt(START), ...anHourLater, iss: ISSUER, ...claims })
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
    .sign(privateKey);
}

const keySet = JSON.stringify({ keys: publicJwks });
const serveKeys: RequestListener = (_request, response) => {
  response.end(keySet);
};
const redirect: RequestListener = (request, response) => {
  if (request.url === '/moved') response.end(keySet);
  else response.writeHead(302, { location: '/moved' }).end();
};
const fail: RequestListener = (_request, response) => {
  response.writeHead(500).end();
};

let answer: RequestListener;
let fetches: number;
let now: number;
const server = createServer((request, response) => {
  fetches += 1;
  answer(request, response);
});

beforeEach(async () => {
  answer = serveKeys;
  fetches = 0;
  now = START;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function createJwksAuthenticator(audience: string | null = null, timeoutMs = 5_000) {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  const jwks = { url, issuer: ISSUER, audience, timeoutMs };
  return createSessions({ ...OPTIONS, formats: [], jwks }, () => now);
}

const ADA = { kind: 'user', userId: 'user-1', actor: 'user' };
const UNAVAILABLE = { code: 'keys_unavailable' };
const REFUSED = { code: 'unauthorized' };

describe('which tokens are accepted', () => {
  test.each(['RS256', 'ES256', 'EdDSA'])('%s', async (alg) => {
    expect(await judge(createJwksAuthenticator(), await sign(alg))).toEqual(ADA);
  });

  test.each([
    ['no issuer', { iss: undefined }, 'missing required "iss" claim'],
    ['another issuer', { iss: 'https://evil.example' }, 'unexpected "iss" claim value'],
    ['no exp', { exp: undefined }, 'missing required "exp" claim'],
    ['a user id that is a number', { sub: 42 }, 'user id claim missing or not a string'],
  ])('refused: %s', async (_name, claims, reason) => {
    const token = await sign('ES256', claims);
    expect(await judge(createJwksAuthenticator(), token)).toEqual({ ...REFUSED, reason });
  });

  test('the audience counts once it is configured', async () => {
    const authenticate = createJwksAuthenticator('purser');
    expect(await judge(authenticate, await sign('EdDSA', { aud: ['web', 'purser'] }))).toEqual(ADA);
    expect(await judge(authenticate, await sign('EdDSA', { aud: 'web' }))).toMatchObject(REFUSED);
    expect(await judge(authenticate, await sign('EdDSA'))).toMatchObject(REFUSED);
  });

  test('not without kid, not with the kid of another key', async () => {
    const authenticate = createJwksAuthenticator();
    const { privateKey } = keys.get('ES256') ?? {};
    if (privateKey === undefined) throw new Error('no key');
    const noKid = await new SignJWT({ ...claimsAt(START), iss: ISSUER })
      .setProtectedHeader({ alg: 'ES256' })
      .sign(privateKey);
    expect(await judge(authenticate, noKid)).toEqual({ ...REFUSED, reason: 'no kid' });
    expect(await judge(authenticate, await sign('ES256', {}, 'RS256'))).toMatchObject(REFUSED);
  });

  test('not with a key of the right name and the wrong owner', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const token = await new SignJWT({ ...claimsAt(START), iss: ISSUER })
      .setProtectedHeader({ alg: 'ES256', kid: 'ES256' })
      .sign(privateKey);
    expect(await judge(createJwksAuthenticator(), token)).toMatchObject(REFUSED);
  });
});

describe('how often the keys are fetched', () => {
  test('once for many requests at the same time, and not again while fresh', async () => {
    const authenticate = createJwksAuthenticator();
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, i) => sign('ES256', { sub: `user-${i}` })),
    );
    const verdicts = await Promise.all(tokens.map((token) => judge(authenticate, token)));
    expect(verdicts.map((verdict) => 'userId' in verdict && verdict.userId)).toEqual(
      tokens.map((_, i) => `user-${i}`),
    );
    now += MAX_AGE - 1;
    expect(await judge(authenticate, await sign('EdDSA'))).toEqual(ADA);
    expect(fetches).toBe(1);
    now += 1;
    expect(await judge(authenticate, await sign('EdDSA', { jti: 'next' }))).toEqual(ADA);
    expect(fetches).toBe(2);
  });

  test('for unknown kids once in a cooldown; a key that was added is then found', async () => {
    const authenticate = createJwksAuthenticator();
    const added = await sign('ES256', {}, 'added');
    for (let i = 0; i < 5; i += 1) {
      expect(await judge(authenticate, await sign('ES256', {}, `kid-${i}`))).toMatchObject(REFUSED);
    }
    expect(fetches).toBe(1);
    answer = (_request, response) => {
      const jwk = { ...keys.get('ES256')?.jwk, kid: 'added' };
      response.end(JSON.stringify({ keys: [...publicJwks, jwk] }));
    };
    expect(await judge(authenticate, added)).toMatchObject(REFUSED);
    now += COOLDOWN;
    expect(await judge(authenticate, added)).toEqual(ADA);
    expect(fetches).toBe(2);
  });

  test('never for a token that is refused before its signature', async () => {
    const authenticate = createJwksAuthenticator();
    await judge(authenticate, `${await sign('ES256')}==`);
    await judge(authenticate, 'opaque');
    expect(fetches).toBe(0);
  });
});

describe('while the keys cannot be fetched', () => {
  test('everyone gets 503 from one fetch per cooldown, and it heals', async () => {
    answer = fail;
    const authenticate = createJwksAuthenticator();
    const token = await sign('RS256');
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, () => judge(authenticate, token)),
    );
    for (const verdict of verdicts) expect(verdict).toMatchObject(UNAVAILABLE);
    now += COOLDOWN - 1;
    expect(await judge(authenticate, token)).toMatchObject(UNAVAILABLE);
    expect(fetches).toBe(1);

    answer = serveKeys;
    now += 1;
    expect(await judge(authenticate, token)).toEqual(ADA);
    expect(fetches).toBe(2);
  });

  test('the 503 says when to come back', async () => {
    answer = fail;
    const authenticate = createJwksAuthenticator();
    const token = await sign('RS256');
    await judge(authenticate, token);
    now += 7500;
    const refusal: PurserError = await authenticate([`Bearer ${token}`]).then(
      () => expect.unreachable(),
      (error) => error,
    );
    expect(refusal).toMatchObject({ status: 503, headers: { 'retry-after': '3' } });
  });

  test('known keys serve on, and old ones too; of an unknown kid nothing can be said', async () => {
    const authenticate = createJwksAuthenticator();
    expect(await judge(authenticate, await sign('ES256'))).toEqual(ADA);
    answer = fail;
    now += COOLDOWN;
    expect(await judge(authenticate, await sign('ES256', {}, 'new'))).toMatchObject(UNAVAILABLE);
    expect(await judge(authenticate, await sign('RS256'))).toEqual(ADA);
    now += MAX_AGE;
    expect(await judge(authenticate, await sign('EdDSA'))).toEqual(ADA);
    expect(await judge(authenticate, await sign('EdDSA', {}, 'new'))).toMatchObject(UNAVAILABLE);
    expect(fetches).toBe(3);
  });

  test('known keys end after an hour, and it heals', async () => {
    const authenticate = createJwksAuthenticator();
    expect(await judge(authenticate, await sign('ES256'))).toEqual(ADA);
    answer = fail;
    now += MAX_STALE - 1;
    expect(await judge(authenticate, await sign('RS256'))).toEqual(ADA);
    now += 1;
    expect(await judge(authenticate, await sign('EdDSA'))).toMatchObject(UNAVAILABLE);
    answer = serveKeys;
    now += COOLDOWN;
    expect(await judge(authenticate, await sign('EdDSA'))).toEqual(ADA);
  });

  test('a key that was taken back ends as soon as the address answers again', async () => {
    const authenticate = createJwksAuthenticator();
    expect(await judge(authenticate, await sign('ES256'))).toEqual(ADA);
    answer = fail;
    now += MAX_AGE;
    expect(await judge(authenticate, await sign('RS256'))).toEqual(ADA);
    answer = (_request, response) => {
      response.end(JSON.stringify({ keys: [keys.get('EdDSA')?.jwk] }));
    };
    now += MAX_AGE;
    expect(await judge(authenticate, await sign('EdDSA', { jti: 'wakes' }))).toEqual(ADA);
    await vi.waitFor(async () =>
      expect(await judge(authenticate, await sign('ES256', { jti: randomUUID() }))).toMatchObject(
        REFUSED,
      ),
    );
  });

  test('nobody with a known key waits for an address that is known to hang', async () => {
    const authenticate = createJwksAuthenticator(null, MAX_STALE);
    expect(await judge(authenticate, await sign('ES256'))).toEqual(ADA);
    answer = fail;
    now += MAX_AGE;
    expect(await judge(authenticate, await sign('RS256'))).toEqual(ADA);
    answer = () => {};
    now += COOLDOWN;
    expect(await judge(authenticate, await sign('EdDSA'))).toEqual(ADA);
  });

  const silences: readonly (readonly [string, RequestListener])[] = [
    ['never answers', () => {}],
    ['never ends its answer', (_request, response) => response.write(keySet.slice(0, 10))],
  ];
  test.each(silences)('a server that %s is waited for only so long', async (_name, silence) => {
    answer = silence;
    const authenticate = createJwksAuthenticator(null, 100);
    expect(await judge(authenticate, await sign('ES256'))).toMatchObject({
      ...UNAVAILABLE,
      reason: expect.stringContaining('timeout'),
    });
  });

  const answers: readonly (readonly [string, RequestListener])[] = [
    ['no JSON', (_request, response) => response.end('<html>')],
    ['no key set', (_request, response) => response.end('{"keys":"none"}')],
    ['a redirect', redirect],
    ['more than 256 KiB', (_request, response) => response.end(keySet.padEnd(256 * 1024 + 1))],
    ['cut off', (request) => request.socket.destroy()],
  ];
  test.each(answers)('an answer that is %s counts as none', async (_name, given) => {
    answer = given;
    const verdict = await judge(createJwksAuthenticator(), await sign('ES256'));
    expect(verdict).toMatchObject(UNAVAILABLE);
  });
});
