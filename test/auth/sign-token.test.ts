import { decode } from 'next-auth/jwt';
import { expect, test } from 'vitest';
import { signV4Token } from '../../src/auth/sign-token.ts';
import { createSessions, judge, OPTIONS, SECRET } from './harness.ts';

test('a token made here is one that the real NextAuth v4 decodes', async () => {
  const now = Date.now();
  const token = await signV4Token({
    userId: 'demo',
    email: 'demo@example.com',
    name: 'Demo',
    secret: SECRET,
    lifetimeSeconds: 3600,
    now,
  });
  const iat = Math.floor(now / 1000);
  expect(await decode({ token, secret: SECRET })).toEqual({
    sub: 'demo',
    email: 'demo@example.com',
    name: 'Demo',
    iat,
    exp: iat + 3600,
    jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
});

test('it opens the guard for its lifetime and no longer', async () => {
  const now = Date.UTC(2026, 0, 1);
  const token = await signV4Token({ userId: 'demo', secret: SECRET, lifetimeSeconds: 3600, now });
  const at = (seconds: number) => createSessions(OPTIONS, () => now + seconds * 1000);
  expect(await judge(at(3600), token)).toEqual({ kind: 'user', userId: 'demo', actor: 'user' });
  expect(await judge(at(3600 + 15), token)).toMatchObject({ code: 'unauthorized' });
});
