import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestAuthenticator } from '../../src/auth/authenticator.ts';
import { claimsAt, createGuardedApp, createSessions, forge, OPTIONS } from './harness.ts';

const { app, reasons } = createGuardedApp(createSessions(OPTIONS));
const valid = await forge(claimsAt(Date.now()));

beforeAll(() => app.listen({ host: '127.0.0.1', port: 0 }));
afterAll(() => app.close());

/** Sends header lines as they are, which fetch would not, and gives the whole answer. */
async function sendRaw(...lines: readonly string[]): Promise<string> {
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  const head = ['GET /whoami HTTP/1.1', 'host: localhost', 'connection: close', ...lines];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  return text(socket);
}

describe('through the guard', () => {
  test.each(['Bearer', 'bearer', 'BEARER', 'Bearer  '])('with scheme %j', async (scheme) => {
    const authorization = `${scheme} ${valid}`;
    const answer = await app.inject({ url: '/whoami', headers: { authorization } });
    expect(answer.json()).toEqual({ kind: 'user', userId: 'user-1', actor: 'user' });
  });

  test('over a real socket, with the spaces that HTTP allows around a value', async () => {
    expect(await sendRaw(`AUTHORIZATION:  Bearer ${valid} `)).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe('every refusal looks the same to the caller', () => {
  const cases: readonly (readonly [string, undefined | string | string[], string])[] = [
    ['no header', undefined, 'no Authorization header'],
    ['two headers', [`Bearer ${valid}`, `Bearer ${valid}`], 'several Authorization headers'],
    ['an empty header', '', 'Authorization header is not "Bearer <token>"'],
    ['another scheme', `Basic ${valid}`, 'Authorization header is not "Bearer <token>"'],
    ['no scheme', valid, 'Authorization header is not "Bearer <token>"'],
    ['a scheme glued on', `Bearer${valid}`, 'Authorization header is not "Bearer <token>"'],
    ['two in one', `Bearer ${valid}, Bearer x`, 'Authorization header is not "Bearer <token>"'],
    ['17 KiB', `Bearer ${'A'.repeat(17 * 1024)}`, 'Authorization header too long'],
    [
      'an opaque cookie',
      'Bearer 0b7f3c52-7d1e-4bb0-9c1c-2f6e0a4d8e55',
      'not a JWT: the header is not a JSON object',
    ],
  ];
  test.each(cases)('%s', async (_name, authorization, reason) => {
    const headers: Record<string, string | string[]> = {};
    if (authorization !== undefined) headers['authorization'] = authorization;
    const answer = await app.inject({ url: '/whoami', headers });
    expect(answer.statusCode).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
    expect(answer.json()).toEqual({
      error: {
        code: 'unauthorized',
        message:
          'A valid Bearer token is required: the NextAuth session JWT (session strategy "jwt"), ' +
          'not the cookie of a database session; or a service key.',
      },
      request_id: expect.any(String),
    });
    expect(reasons.at(-1)).toBe(reason);
  });

  test.each(['Authorization', 'authorization', 'AUTHORIZATION'])(
    'a second header named %s over a real socket, where Node would keep the first',
    async (name) => {
      const answer = await sendRaw(`Authorization: Bearer ${valid}`, `${name}: Bearer forged`);
      expect(answer).toMatch(/^HTTP\/1.1 401 /);
      expect(reasons.at(-1)).toBe('several Authorization headers');
    },
  );

  test('a token in a cookie or in the address is not looked at', async () => {
    const url = `/whoami?access_token=${valid}`;
    const cookies = { 'next-auth.session-token': valid };
    expect(await app.inject({ url, cookies })).toMatchObject({ statusCode: 401 });
  });
});

test('with authentication switched off for tests everyone is test-user', async () => {
  const open = createGuardedApp(createTestAuthenticator()).app;
  for (const headers of [{}, { authorization: `Bearer ${valid}` }, { authorization: 'nonsense' }]) {
    const answer = await open.inject({ url: '/whoami', headers });
    expect(answer.json()).toEqual({ kind: 'user', userId: 'test-user', actor: 'user' });
  }
});
