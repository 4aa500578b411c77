import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { checkSecret } from '../../src/auth/check-secret.ts';
import { SECRET } from './harness.ts';

describe('secrets that are refused', () => {
  test.each([
    ['empty', '', /has 0 bytes where 32/],
    ['a word', 'secret', /has 6 bytes/],
    ['31 bytes', SECRET.slice(1), /has 31 bytes/],
    ['an example of the Auth.js guide', 'This is an example', /has 18 bytes/],
    ['a placeholder', 'your-nextauth-secret-here-change-me', /placeholder/],
    ['one with a number', 'your-super-secret-key-change-in-production-12345', /placeholder/],
    ['one in capitals', 'CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME', /placeholder/],
    ['one that counts', 'supersecretkeythatisatleast32characterslong', /placeholder/],
    ['an alphabet', 'abcdefghijklmnopqrstuvwxyz0123456789', /placeholder/],
    ['the command, not its output', '$(openssl rand -base64 32) # secret', /placeholder/],
    ['of the NextAuth documentation', 'INp8IvdIyeMcoGAgFGoA61DdBglwwSqnXJZkgz8PSnw', /placeholder/],
    ['one repeated character', 'x'.repeat(64), /repeats/],
    ['a repeated piece', 'fJ3kd9Qz'.repeat(5), /repeats/],
    ['few characters', 'qzqzqzqqzzqzqqqzzzqzqzqzqzzzqqqqzzq', /repeats/],
  ])('%s', (_name, secret, reason) => {
    expect(checkSecret(secret)).toMatch(reason);
  });

  test('the reason says what to do and never repeats the secret', () => {
    const reason = checkSecret('hunter2-hunter2');
    expect(reason).toContain('openssl rand -base64 32');
    expect(reason).not.toContain('hunter2');
  });
});

describe('secrets that are accepted', () => {
  test.each([
    ['base64', () => randomBytes(32).toString('base64')],
    ['hex', () => randomBytes(32).toString('hex')],
    ['32 characters of base64', () => randomBytes(24).toString('base64')],
    ['prefixed', () => `secret_key_${randomBytes(24).toString('base64url')}`],
    ['a UUID', () => randomUUID()],
    ['a passphrase', () => 'seven purple kayaks juggle frozen walnuts'],
    ['32 bytes in another script', () => 'семьлиловыхбайдарок'],
  ])('%s', (_name, make) => {
    for (let i = 0; i < 200; i += 1) expect(checkSecret(make())).toBeNull();
  });
});
