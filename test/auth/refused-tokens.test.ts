import { encode as encodeV5 } from 'authjs-core/jwt';
import fc from 'fast-check';
import { EncryptJWT, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { deriveV4Key, deriveV5Keys } from '../../src/auth/secret-keys.ts';
import {
  claimsAt,
  createSessions,
  forge,
  judge,
  judgeWith,
  OPTIONS,
  OTHER_SECRET,
  SECRET,
} from './harness.ts';

const now = Date.now();
const seconds = Math.floor(now / 1000);
const claims = claimsAt(now);
const { exp: _exp, ...withoutExp } = claims;
const { iat: _iat, ...withoutIat } = claims;
const { sub: _sub, ...withoutSub } = claims;
const valid = await forge(claims);
const day = 24 * 60 * 60;
const [v5Key = new Uint8Array()] = deriveV5Keys([SECRET], []).values();

const badId = 'user id with control characters, edge spaces or lone surrogates';
const noId = 'user id claim missing or not a string';
const idLength = 'user id not 1 to 255 characters';
const badBase64 = 'not canonical base64url';
const badParameter = 'header parameter not allowed';
const badAlgorithm = 'alg and enc not allowed';

/** The same bytes in another spelling: 16 bytes leave four bits of the last character unused. */
const respelt = valid.replace(/.$/, (last) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet.charAt(alphabet.indexOf(last) + 1);
});
const [header, , iv, ciphertext, tag] = valid.split('.');

describe('refused by the clock', () => {
  const tooOld = '"iat" claim timestamp check failed (too far in the past)';
  const future = '"iat" claim timestamp check failed (it should be in the past)';
  test.each([
    ['expired', { ...claims, exp: seconds - 60 }, '"exp" claim timestamp check failed'],
    ['no exp', withoutExp, 'missing required "exp" claim'],
    ['exp as text', { ...claims, exp: String(claims.exp) }, '"exp" claim must be a number'],
    ['no iat', withoutIat, 'missing required "iat" claim'],
    ['iat as text', { ...claims, iat: String(claims.iat) }, '"iat" claim must be a number'],
    ['issued in the future', { ...claims, iat: seconds + 60 }, future],
    ['older than 30 days', { ...claims, iat: seconds - 31 * day }, tooOld],
    ['not valid yet', { ...claims, nbf: seconds + 60 }, '"nbf" claim timestamp check failed'],
  ])('%s', async (_name, payload, reason) => {
    expect(await judgeWith({}, await forge(payload))).toEqual({ code: 'unauthorized', reason });
  });

  test('exp and iat may be 15 seconds off, not more', async () => {
    const at = (offset: number) => createSessions(OPTIONS, () => (claims.exp + offset) * 1000);
    expect(await judge(at(14), valid)).toMatchObject({ userId: 'user-1' });
    expect(await judge(at(15), valid)).toMatchObject({ code: 'unauthorized' });
    const issued = (offset: number) => createSessions(OPTIONS, () => (claims.iat - offset) * 1000);
    expect(await judge(issued(15), valid)).toMatchObject({ userId: 'user-1' });
    expect(await judge(issued(16), valid)).toMatchObject({ code: 'unauthorized' });
  });
});

describe('refused for the user id', () => {
  const inherited = JSON.stringify(withoutSub).replace('{', '{"__proto__":{"sub":"user-1"},');
  test.each([
    ['none', withoutSub, noId],
    ['a number', { ...claims, sub: 42 }, noId],
    ['an array', { ...claims, sub: ['user-1'] }, noId],
    ['null', { ...claims, sub: null }, noId],
    ['hidden in __proto__', inherited, noId],
    ['empty', { ...claims, sub: '' }, idLength],
    ['256 characters', { ...claims, sub: 'x'.repeat(256) }, idLength],
    ['NUL', { ...claims, sub: 'user\u0000-1' }, badId],
    ['DEL', { ...claims, sub: 'user\u007f-1' }, badId],
    ['a line break', { ...claims, sub: 'user\n1' }, badId],
    ['a lone surrogate', { ...claims, sub: 'user-\ud800' }, badId],
    ['a space before', { ...claims, sub: ' user-1' }, badId],
    ['a no-break space after', { ...claims, sub: 'user-1\u00a0' }, badId],
  ])('%s', async (_name, payload, reason) => {
    expect(await judgeWith({}, await forge(payload))).toEqual({ code: 'unauthorized', reason });
  });

  test('inherited from a prototype that something has polluted', async () => {
    const token = await forge(withoutSub);
    const prototype: { sub?: string } = Object.prototype;
    prototype.sub = 'user-1';
    try {
      expect(await judgeWith({}, token)).toEqual({ code: 'unauthorized', reason: noId });
    } finally {
      delete prototype.sub;
    }
  });

  test('claims that are no JSON object', async () => {
    const reason = 'JWT Claims Set must be a top-level JSON object';
    for (const payload of ['', 'null', '[]', '"user-1"', '{"sub":']) {
      expect(await judgeWith({}, await forge(payload))).toEqual({ code: 'unauthorized', reason });
    }
  });
});

describe('refused for the header', () => {
  test.each([
    ['zip', { zip: 'DEF' }, badParameter],
    ['crit', { crit: ['exp'], exp: 1 }, badParameter],
    ['jwk', { jwk: { kty: 'oct', k: 'AAAA' } }, badParameter],
    ['jku', { jku: 'https://example.com/jwks.json' }, badParameter],
    ['x5u', { x5u: 'https://example.com/cert.pem' }, badParameter],
    ['kid as an array', { kid: ['a'] }, 'header parameter is not a string'],
  ])('%s', async (_name, parameters, reason) => {
    const token = await forge(claims, parameters);
    expect(await judgeWith({}, token)).toEqual({ code: 'unauthorized', reason });
  });

  test.each([
    ['A256GCM under 192 bits', 'A192GCM', new Uint8Array(24)],
    ['A256CBC-HS512 under 256 bits', 'A128CBC-HS256', new Uint8Array(32)],
  ])('dir with another enc: %s', async (_name, enc, key) => {
    const token = await new EncryptJWT(claims).setProtectedHeader({ alg: 'dir', enc }).encrypt(key);
    expect(await judgeWith({}, token)).toMatchObject({ reason: badAlgorithm });
  });

  test('another key algorithm with the same key', async () => {
    const token = await new EncryptJWT(claims)
      .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM' })
      .encrypt(v5Key.subarray(0, 32));
    expect(await judgeWith({}, token)).toMatchObject({ reason: badAlgorithm });
  });

  test('alg none', async () => {
    const token = new UnsecuredJWT(claims).encode();
    expect(await judgeWith({ formats: ['v4', 'v5', 'hs256'] }, token)).toMatchObject({
      reason: badAlgorithm,
    });
  });

  test('a JWE header on the three segments of a JWS', async () => {
    expect(await judgeWith({}, `${header}.${iv}.${tag}`)).toMatchObject({ reason: badAlgorithm });
  });

  test('a v5 token without kid, or with one of another secret or cookie', async () => {
    const reason = 'no kid, or of no secret and cookie name here';
    const salt = 'authjs.session-token';
    const tokens = [
      await new EncryptJWT(claims)
        .setProtectedHeader({ alg: 'dir', enc: 'A256CBC-HS512' })
        .encrypt(v5Key),
      await encodeV5({ token: claims, secret: OTHER_SECRET, salt }),
      await encodeV5({ token: claims, secret: SECRET, salt: 'next-auth.session-token' }),
    ];
    for (const token of tokens) expect(await judgeWith({}, token)).toMatchObject({ reason });
  });
});

describe('refused for the spelling', () => {
  const notJwt = 'not a JWT: the header is not a JSON object';
  const noBearer = 'Authorization header is not "Bearer <token>"';
  test.each([
    ['empty', '', noBearer],
    ['a line break after it', `${valid}\n`, noBearer],
    ['a space after it', `${valid} `, noBearer],
    ['a second token after it', `${valid} ${valid}`, noBearer],
    ['padding', `${valid}==`, badBase64],
    ['stray bits in the last character', respelt, badBase64],
    ['the other base64 alphabet', `${valid}+/`, badBase64],
    ['a character outside ASCII', `${valid}é`, badBase64],
    ['percent-encoding', encodeURIComponent(`${valid}=`), badBase64],
    ['six segments', `${valid}.AAAA`, badAlgorithm],
    ['the cookie of a database session', '0b7f3c52-7d1e-4bb0-9c1c-2f6e0a4d8e55', notJwt],
    ['a header that is an array', `W10.${ciphertext}.${tag}`, notJwt],
    ['a header that is not UTF-8', `__79.${ciphertext}.${tag}`, notJwt],
    ['an encrypted key beside dir', `${header}.AAAA.${iv}.${ciphertext}.${tag}`, null],
    ['no tag', `${header}..${iv}.${ciphertext}.`, null],
    ['half a tag', `${header}..${iv}.${ciphertext}.${tag?.slice(0, 10)}w`, null],
  ])('%s', async (_name, token, reason) => {
    expect(await judgeWith({}, token)).toEqual({
      code: 'unauthorized',
      reason: reason ?? expect.stringMatching(/JWE|Tag|secrets/),
    });
  });
});

describe('refused for the key', () => {
  test('another secret', async () => {
    const token = await forge(claims, {}, OTHER_SECRET);
    expect(await judgeWith({}, token)).toMatchObject({ reason: 'made with none of the secrets' });
  });

  test('HS256 with the right secret, unless it is switched on', async () => {
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(SECRET));
    expect(await judgeWith({}, token)).toMatchObject({
      reason: 'hs256 tokens are not accepted here',
    });
  });

  test('HS256 signed with the text of a public key', async () => {
    const { publicKey } = await generateKeyPair('RS256', { extractable: true });
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: 'rsa-1' })
      .sign(Buffer.from(await exportSPKI(publicKey)));
    const jwks = { url: 'http://127.0.0.1:9/', issuer: 'https://example.com', audience: null };
    expect(await judgeWith({ jwks }, token)).toMatchObject({ code: 'unauthorized' });
    expect(await judgeWith({ jwks, formats: ['hs256'] }, token)).toMatchObject({
      reason: 'made with none of the secrets',
    });
  });

  test('public-key tokens, unless they are switched on', async () => {
    const { privateKey } = await generateKeyPair('EdDSA');
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', kid: 'ed-1' })
      .sign(privateKey);
    expect(await judgeWith({ formats: ['v4', 'v5', 'hs256'] }, token)).toMatchObject({
      reason: 'jwks tokens are not accepted here',
    });
  });

  test('v4 tokens where only v5 is accepted', async () => {
    expect(await judgeWith({ formats: ['v5'] }, valid)).toMatchObject({
      reason: 'v4 tokens are not accepted here',
    });
  });
});

test('no token that differs from a valid one in any character is accepted', async () => {
  const authenticate = createSessions(OPTIONS);
  const v5 = await encodeV5({ token: claims, secret: SECRET, salt: 'authjs.session-token' });
  const character = fc.constantFrom(...'ABCXYZabcxyz0189-_=.+/ \n\t\0é');
  const mutation = fc.record({
    original: fc.constantFrom(valid, v5),
    at: fc.nat(1000),
    remove: fc.nat(3),
    insert: fc.array(character, { maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(mutation, async ({ original, at, remove, insert }) => {
      const start = at % (original.length + 1);
      const mutated = original.slice(0, start) + insert.join('') + original.slice(start + remove);
      const verdict = await judge(authenticate, mutated);
      // HTTP allows any number of spaces between the scheme and the token.
      if (mutated.replace(/^ +/, '') === original)
        expect(verdict).toMatchObject({ userId: 'user-1' });
      else expect(verdict).toMatchObject({ code: 'unauthorized' });
    }),
    { numRuns: 2000 },
  );
});

test('a reason for the log never repeats what the token holds', async () => {
  const marker = 'very-private-claim';
  const verdicts = [
    await judgeWith({}, await forge({ ...claims, exp: 1, sub: marker, email: marker })),
    await judgeWith({}, await forge(`{"sub":"${marker}`)),
    await judgeWith({}, await forge(claims, { [marker]: marker })),
    await judgeWith({}, `${Buffer.from(`{"${marker}`).toString('base64url')}.e30.e30`),
    await judgeWith({}, await forge(claims).then((token) => `${token} ${marker}`)),
  ];
  for (const verdict of verdicts) {
    expect(verdict).toMatchObject({ code: 'unauthorized' });
    expect(JSON.stringify(verdict)).not.toContain(marker);
  }
  expect(deriveV4Key(SECRET).extractable).toBe(false);
});
