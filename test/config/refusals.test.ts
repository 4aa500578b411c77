import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError, readConfig } from '../../src/config/config.ts';
import type { Env } from '../../src/config/variables.ts';
import { moreSecrets, PRODUCTION, variablesThatAreRead } from '../support/environment.ts';

const REQUIRED = [
  'DATABASE_URL',
  'SESSION_SECRET_KEY',
  'NEXTAUTH_SECRET',
  'NEXTAUTH_URL',
  'STRIPE_SECRET_KEY',
  'STRIPE_WEBHOOK_SECRET',
] as const;

/** What is wrong with an environment, as the refusal to boot says it. */
function refusal(env: Env): ConfigError {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the environment was accepted');
}

const problemsOf = (change: Env): readonly string[] =>
  refusal({ ...PRODUCTION, ...change }).problems;

/** Stands in a text that must never be shown. */
const MARK = 'hunter2';

describe('what is refused', () => {
  test.each(REQUIRED)('production without %s', (name) => {
    expect(problemsOf({ [name]: undefined })).toEqual([`${name} is missing`]);
  });

  test.each<readonly [name: string, text: string, problem: RegExp]>([
    ['NODE_ENV', 'staging', /must be one of production, development, test/],
    ['NODE_ENV', 'Production', /must be one of/],
    ['DATABASE_URL', `${MARK}@db`, /must be a Postgres URL such as/],
    ['DATABASE_URL', `mysql://u:${MARK}@db/purser`, /must be a Postgres URL/],
    ['DATABASE_URL', `postgres://u:${MARK}@db:99999/purser`, /must be a Postgres URL/],
    ['DATABASE_URL', `postgres://u:${MARK}@db`, /must name a host and a database/],
    ['DATABASE_URL', 'postgres:///purser', /must name a host and a database/],
    ['DATABASE_URL', `postgres://u:${MARK}%@db/purser`, /percent-encode/],
    ['DATABASE_URL', `postgres://u:${MARK}%ff@db/purser`, /percent-encode/],
    ['DATABASE_URL', `postgres://u:${MARK}@db/purser?sslmode=${MARK}`, /unknown sslmode/],
    ['SESSION_SECRET_KEY', `${MARK}-short`, /has 13 bytes where 32 are the least/],
    ['SESSION_SECRET_KEY', 'your-super-secret-session-secret-key', /is a placeholder/],
    ['NEXTAUTH_SECRET', `${MARK}-short`, /has 13 bytes/],
    ['NEXTAUTH_SECRET', MARK.repeat(6), /repeats/],
    ['NEXTAUTH_URL', 'app.example.com', /must be a URL such as/],
    ['NEXTAUTH_URL', 'ftp://app.example.com', /must be a URL such as/],
    ['STRIPE_SECRET_KEY', `pk_live_${MARK}`, /must begin with sk_live_, sk_test_/],
    ['STRIPE_SECRET_KEY', 'sk_live_', /must begin with/],
    ['STRIPE_WEBHOOK_SECRET', MARK, /does not begin with whsec_/],
    ['STRIPE_WEBHOOK_SECRET', `whsec_${MARK} `, /contains white space/],
    ['STRIPE_WEBHOOK_SECRETS_PREVIOUS', `whsec_${MARK}`, /must be a JSON array of strings/],
    ['STRIPE_WEBHOOK_SECRETS_PREVIOUS', `["${MARK}"]`, /does not begin with whsec_/],
    ['STRIPE_API_BASE', 'stripe', /must be an origin such as/],
    ['STRIPE_API_BASE', 'https://api.stripe.com/v1', /must be an origin such as/],
    ['STRIPE_API_BASE', 'http://stripe.example.com', /must be https in production/],
    ['STRIPE_API_BASE', 'http://127.example.com', /must be https in production/],
    ['STRIPE_PRICE_TO_CREDITS_JSON', '{price_x: 100}', /is not JSON/],
    ['STRIPE_PRICE_TO_CREDITS_JSON', '["price_x"]', /is not an object such as/],
    ['STRIPE_PRICE_TO_CREDITS_JSON', '{"price_x": 1.5}', /price_x: credits must be a whole number/],
    ['STRIPE_PRICE_TO_CREDITS_JSON', '{"price_x": "100"}', /price_x: credits must be/],
    ['STRIPE_PRICE_TO_CREDITS_JSON', '{"price_x": -1}', /price_x: credits must be/],
    ['NEXTAUTH_SECRETS_PREVIOUS', MARK, /must be a JSON array of strings/],
    ['NEXTAUTH_SECRETS_PREVIOUS', `["${MARK}"]`, /has 7 bytes/],
    ['NEXTAUTH_SECRETS_PREVIOUS', JSON.stringify(moreSecrets(40)), /may hold at most \d+ secrets/],
    ['NEXTAUTH_JWKS_URL', 'keys', /must be a URL such as/],
    ['NEXTAUTH_JWKS_URL', 'http://app.example.com/jwks', /must be https in production/],
    ['AUTH_TOKEN_FORMATS', 'v4', /must be a JSON array of strings/],
    ['AUTH_TOKEN_FORMATS', '[]', /must name a format/],
    ['AUTH_TOKEN_FORMATS', '["v6"]', /may hold v4, v5, hs256, jwks/],
    ['AUTH_SESSION_COOKIE_NAMES', '[1]', /must be a JSON array of strings/],
    ['ALLOWED_ORIGINS', 'https://app.example.com', /must be a JSON array of strings/],
    ['ALLOWED_ORIGINS', '["*"]', /must hold origins such as/],
    ['ALLOWED_ORIGINS', '["null"]', /must hold origins such as/],
    ['ALLOWED_ORIGINS', '["https://app.example.com/"]', /without a path or a slash/],
    ['ALLOWED_ORIGINS', '["https://APP.example.com"]', /must hold origins such as/],
    ['ALLOWED_ORIGINS', '["https://a.example", "https://a.example"]', /names an origin twice/],
    ['PORT', '80.5', /must be a whole number from 0 to 65535/],
    ['PORT', '65536', /must be a whole number from 0 to 65535/],
    ['PORT', '0x50', /must be a whole number/],
    ['RATE_LIMIT_PER_MINUTE', '-1', /must be a whole number from 0 to/],
    ['RATE_LIMIT_PER_MINUTE', 'many', /must be a whole number/],
    ['SIGNUP_CREDITS', '1000000000001', /must be a whole number from 0 to 1000000000000/],
    ['SIGNUP_CREDITS_EXPIRE_DAYS', '-1', /must be a whole number from 0 to 36500/],
    ['ALERT_LOW_CREDITS', '100', /must be a JSON array of up to 10 whole numbers/],
    ['ALERT_LOW_CREDITS', '[0]', /must be a JSON array/],
    ['ALERT_LOW_CREDITS', '[1.5]', /must be a JSON array/],
    ['ALERT_LOW_CREDITS', `["${MARK}"]`, /must be a JSON array/],
    ['ALERT_EXPIRING_DAYS', '61', /must be a whole number from 0 to 60/],
    ['WEBHOOK_PRIVATE_TARGETS', 'yes', /must be one of refuse, allow/],
    ['LOG_LEVEL', 'loud', /must be one of trace, debug/],
    ['PURSER_ADMIN_KEY', MARK, /must be purser_sk_ and then 43 characters/],
    ['PURSER_ADMIN_KEY', `purser_sk_${MARK.repeat(6)}A`, /must be purser_sk_ and then/],
    ['PURSER_ADMIN_KEY', `purser_sk_${'A'.repeat(43)}`, /must be purser_sk_ and then/],
    ['USER_TOKEN_WRITES', 'off', /must be one of all, checkout, none/],
    ['STREAM_LIMIT', '0', /must be a whole number from 1 to 100000/],
    ['KEY_RATE_LIMIT_PER_MINUTE', '-1', /must be a whole number from 0 to 1000000/],
  ])('%s=%s', (name, text, problem) => {
    const { problems, message } = refusal({ ...PRODUCTION, [name]: text });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} `));
    expect(problems[0]).toMatch(problem);
    expect(message).not.toContain(MARK);
  });

  test('every problem is named at once, in one message', () => {
    const { message } = refusal({ NODE_ENV: 'production', PORT: 'x', ALLOWED_ORIGINS: '["*"]' });
    for (const name of [...REQUIRED, 'PORT', 'ALLOWED_ORIGINS']) {
      expect(message).toContain(`\n  - ${name} `);
    }
    expect(message).toContain('8 problems');
  });

  test('the keys of tokens are not fetched over plain HTTP from the front end', () => {
    const change = { NEXTAUTH_URL: 'http://app.example.com', AUTH_TOKEN_FORMATS: '["jwks"]' };
    expect(problemsOf(change)).toEqual(['NEXTAUTH_URL must be https in production']);
  });

  test.each([
    ['SESSION_SECRET_KEY', 'purserlocal-kV9dQ2mX7tR4wZ8pL1sN6cB3yF5hJ0gA'],
    ['NEXTAUTH_SECRET', 'purserlocal-kV9dQ2mX7tR4wZ8pL1sN6cB3yF5hJ0gA'],
    ['STRIPE_SECRET_KEY', 'sk_test_purserlocal4eC39HqLyjWD'],
    ['STRIPE_WEBHOOK_SECRET', 'whsec_purserlocalZk3Wn8Qv2Ls7Xb5'],
    ['NEXTAUTH_SECRETS_PREVIOUS', '["purserlocal-kV9dQ2mX7tR4wZ8pL1sN6cB3yF5hJ0gA"]'],
    ['STRIPE_WEBHOOK_SECRETS_PREVIOUS', '["whsec_purserlocalZk3Wn8Qv2Ls7Xb5"]'],
  ])('%s that was made up on a developer’s machine, in production only', (name, text) => {
    expect(problemsOf({ [name]: text })).toEqual([
      `${name} was made up by \`npm start\` for a developer’s machine`,
    ]);
    expect(() =>
      readConfig({ ...PRODUCTION, NODE_ENV: 'development', [name]: text }),
    ).not.toThrow();
  });
});

describe('DISABLE_AUTH_FOR_TESTS', () => {
  const open = { ...PRODUCTION, NODE_ENV: 'test', DISABLE_AUTH_FOR_TESTS: '1' };

  test('lets everyone in where only this machine’s tests can be', () => {
    expect(readConfig(open).auth).toBeNull();
    expect(readConfig({ ...open, HOST: '::1' }).auth).toBeNull();
  });

  test.each<readonly [why: string, change: Env, problem: string]>([
    ['another value', { DISABLE_AUTH_FOR_TESTS: 'true' }, 'may only be 1 or unset'],
    ['even 0', { DISABLE_AUTH_FOR_TESTS: '0' }, 'may only be 1 or unset'],
    ['a space', { DISABLE_AUTH_FOR_TESTS: '1 ' }, 'may only be 1 or unset'],
    ['development', { NODE_ENV: 'development' }, 'needs NODE_ENV=test'],
    ['no NODE_ENV', { NODE_ENV: undefined }, 'needs NODE_ENV=test'],
    ['every address', { HOST: '0.0.0.0' }, 'needs a loopback HOST'],
    ['a name that looks like one', { HOST: '127.example.com' }, 'needs a loopback HOST'],
    ['live money', { STRIPE_SECRET_KEY: 'sk_live_x' }, 'is refused beside a live Stripe key'],
  ])('is refused with %s', (_, change, problem) => {
    expect(refusal({ ...open, ...change }).problems).toEqual([`DISABLE_AUTH_FOR_TESTS ${problem}`]);
  });

  test('is refused in production, whatever else is said', () => {
    const { message } = refusal({ ...open, NODE_ENV: 'production' });
    expect(message).toContain('DISABLE_AUTH_FOR_TESTS needs NODE_ENV=test');
    expect(message).toContain('DISABLE_AUTH_FOR_TESTS needs a loopback HOST');
  });
});

test('no text in any variable does anything but configure or be refused, unrepeated', () => {
  const names = [...variablesThatAreRead()].filter((name) => !SHOWN.has(name));
  const hidden = fc.string({ unit: 'binary' }).map((text) => `${MARK}${text}`);
  const value = fc.oneof(
    hidden,
    fc.array(hidden, { maxLength: 3 }).map((list) => JSON.stringify(list)),
    hidden.map((text) => `postgres://${text}`),
    hidden.map((text) => `https://${text}`),
    fc.json(),
    fc.string({ unit: 'binary' }),
  );
  const change = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 6 });
  fc.assert(
    fc.property(change, fc.constantFrom('production', 'development', 'test'), (env, mode) => {
      const all = { ...PRODUCTION, ...env, NODE_ENV: mode };
      try {
        readConfig(all);
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        expect((error as ConfigError).message).not.toContain(MARK);
      }
    }),
    { numRuns: 1_000 },
  );
});

/** Its price ids are no secret, and the one with a problem has to be found. */
const SHOWN = new Set(['STRIPE_PRICE_TO_CREDITS_JSON']);
