import { encode as encodeV5 } from 'authjs-core/jwt';
import { SignJWT } from 'jose';
import { encode as encodeV4 } from 'next-auth/jwt';
import { describe, expect, test } from 'vitest';
import { claimsAt, forge, judgeWith, OTHER_SECRET, SECRET } from './harness.ts';

const ADA = { kind: 'user', userId: 'user-1', actor: 'user' };
const token = { sub: 'user-1', name: 'Ada', email: 'ada@example.com' };

describe('tokens that the real packages make are accepted', () => {
  test('NextAuth v4', async () => {
    expect(await judgeWith({}, await encodeV4({ token, secret: SECRET }))).toEqual(ADA);
  });

  test.each(['authjs.session-token', '__Secure-authjs.session-token'])(
    'Auth.js v5, cookie %s',
    async (salt) => {
      expect(await judgeWith({}, await encodeV5({ token, secret: SECRET, salt }))).toEqual(ADA);
    },
  );

  test('Auth.js v5 with a cookie name of its own, once it is configured', async () => {
    const made = await encodeV5({ token, secret: SECRET, salt: 'shop.session' });
    expect(await judgeWith({ sessionCookieNames: ['shop.session'] }, made)).toEqual(ADA);
    expect(await judgeWith({}, made)).toMatchObject({ code: 'unauthorized' });
  });
});

test('an HS256 token is accepted where the format is switched on', async () => {
  const made = await new SignJWT(claimsAt(Date.now()))
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(Buffer.from(SECRET));
  expect(await judgeWith({ formats: ['hs256'] }, made)).toEqual(ADA);
});

describe('after a rotation', () => {
  const secrets = [OTHER_SECRET, SECRET];

  test('tokens of the previous secret stay valid, in every format', async () => {
    const claims = claimsAt(Date.now());
    const salt = 'authjs.session-token';
    const made = [
      await encodeV4({ token, secret: SECRET }),
      await encodeV5({ token, secret: SECRET, salt }),
      await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET)),
    ];
    for (const one of made) {
      expect(await judgeWith({ secrets, formats: ['v4', 'v5', 'hs256'] }, one)).toEqual(ADA);
    }
  });

  test('tokens of a secret that has left the list are refused', async () => {
    const made = await encodeV4({ token, secret: SECRET });
    expect(await judgeWith({ secrets: [OTHER_SECRET] }, made)).toEqual({
      code: 'unauthorized',
      reason: 'made with none of the secrets',
    });
  });

  test('an expired token of the first secret is reported as expired, not as foreign', async () => {
    const expired = await forge({ ...claimsAt(Date.now()), exp: 1 }, {}, OTHER_SECRET);
    expect(await judgeWith({ secrets }, expired)).toMatchObject({
      reason: '"exp" claim timestamp check failed',
    });
  });

  test('the list of secrets is bounded', () => {
    expect(() => judgeWith({ secrets: Array(9).fill(SECRET) }, '')).toThrow(RangeError);
  });
});

describe('the user id', () => {
  test.each([
    ['of one character', 'x'],
    ['of 255 characters', 'x'.repeat(255)],
    ['of 255 characters beyond the BMP', '🦉'.repeat(255)],
    ['with inner spaces and other scripts', 'Ада Лавлейс'],
  ])('%s is kept as it is', async (_name, sub) => {
    const made = await forge({ ...claimsAt(Date.now()), sub });
    expect(await judgeWith({}, made)).toEqual({ kind: 'user', userId: sub, actor: 'user' });
  });

  test('comes from the configured claim and from no other', async () => {
    const { email, ...claims } = claimsAt(Date.now());
    const userIdClaim = 'email';
    expect(await judgeWith({ userIdClaim }, await forge({ ...claims, email }))).toEqual({
      kind: 'user',
      userId: email,
      actor: 'user',
    });
    expect(await judgeWith({ userIdClaim }, await forge(claims))).toMatchObject({
      reason: 'user id claim missing or not a string',
    });
  });
});
