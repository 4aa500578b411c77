import { afterEach, describe, expect, test, vi } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { type Env, readEnvironment } from '../../src/config/variables.ts';
import { moreSecrets, PRODUCTION } from '../support/environment.ts';

const read = (change: Env = {}) => readConfig({ ...PRODUCTION, ...change });

describe('what is read', () => {
  test.each<readonly [text: string, url: string]>([
    ['postgres://u:p@h:5432/d', 'postgres://u:p@h:5432/d'],
    ['postgresql://u:p@h/d', 'postgres://u:p@h/d'],
    ['postgresql+asyncpg://u:p@h/d?ssl=require', 'postgres://u:p@h/d?sslmode=verify-full'],
    ['postgresql+psycopg2://u:p@h/d?sslmode=disable', 'postgres://u:p@h/d?sslmode=disable'],
    ['postgres://u:p@h/d?ssl=true', 'postgres://u:p@h/d?sslmode=verify-full'],
    ['postgres://u:p@h/d?ssl=false', 'postgres://u:p@h/d?sslmode=disable'],
    ['postgres://u:p@h/d?sslmode=no-verify', 'postgres://u:p@h/d?sslmode=no-verify'],
    [
      'postgres://u:p@h/d?sslmode=require&uselibpqcompat=true',
      'postgres://u:p@h/d?sslmode=require&uselibpqcompat=true',
    ],
    [
      // As Neon's console shows it for the pooled connection.
      'postgresql://u:npg_x@ep-a-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require',
      'postgres://u:npg_x@ep-a-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=verify-full&channel_binding=require',
    ],
  ])('DATABASE_URL=%s', (text, url) => {
    expect(read({ DATABASE_URL: text }).databaseUrl).toBe(url);
  });

  test.each([
    ['production', '0.0.0.0'],
    ['development', '127.0.0.1'],
    ['test', '127.0.0.1'],
    [undefined, '127.0.0.1'],
  ])('NODE_ENV=%s listens on %s, port 8000, unless HOST and PORT say otherwise', (mode, host) => {
    expect(read({ NODE_ENV: mode })).toMatchObject({ host, port: 8000 });
    expect(read({ NODE_ENV: mode, HOST: '::1', PORT: '0' })).toMatchObject({
      host: '::1',
      port: 0,
    });
  });

  test('defaults', () => {
    expect(read()).toMatchObject({
      logLevel: 'info',
      rateLimits: { user: 600, key: 60_000 },
      userWrites: 'all',
      adminKey: null,
      alertRules: { lowCredits: [], expiringWithin: 7 * 86_400_000 },
      allowsPrivateTargets: false,
      allowedOrigins: ['https://app.example.com', 'http://localhost:3000', 'http://127.0.0.1:3000'],
      auth: { formats: ['v4', 'v5'], sessionCookieNames: [], jwks: null, userIdClaim: 'sub' },
      stripe: { livemode: false, apiBase: null, prices: { env: new Map(), file: new Map() } },
    });
  });

  test('the front end stays allowed beside the origins that are listed', () => {
    const listed = '["https://admin.example.com", "https://app.example.com"]';
    const { allowedOrigins } = read({ ALLOWED_ORIGINS: listed });
    expect(allowedOrigins).toEqual(['https://app.example.com', 'https://admin.example.com']);
  });

  test('NEXTAUTH_URL may be NextAuth’s own address below the origin', () => {
    const { allowedOrigins } = read({ NEXTAUTH_URL: 'https://app.example.com/api/auth' });
    expect(allowedOrigins[0]).toBe('https://app.example.com');
  });

  test('secrets that are being rotated come after the current ones', () => {
    const config = read({
      NEXTAUTH_SECRETS_PREVIOUS: JSON.stringify(moreSecrets(2)),
      STRIPE_WEBHOOK_SECRETS_PREVIOUS: '["whsec_before"]',
    });
    expect(config.auth?.secrets).toEqual([PRODUCTION.NEXTAUTH_SECRET, ...moreSecrets(2)]);
    expect(config.stripe.webhookSecrets).toEqual([
      PRODUCTION.STRIPE_WEBHOOK_SECRET,
      'whsec_before',
    ]);
  });

  test('everything else', () => {
    const config = read({
      STRIPE_SECRET_KEY: 'rk_live_x',
      STRIPE_API_BASE: 'http://127.0.0.1:12111',
      STRIPE_PRICE_TO_CREDITS_JSON: '{"price_x": 100, "price_seat": 0}',
      RATE_LIMIT_PER_MINUTE: '0',
      KEY_RATE_LIMIT_PER_MINUTE: '1',
      STREAM_LIMIT: '2',
      SIGNUP_CREDITS: '50',
      SIGNUP_CREDITS_EXPIRE_DAYS: '30',
      LOG_LEVEL: 'warn',
      AUTH_TOKEN_FORMATS: '["v5", "jwks"]',
      AUTH_SESSION_COOKIE_NAMES: '["shop.session"]',
      AUTH_USER_ID_CLAIM: 'email',
      AUTH_AUDIENCE: 'purser',
      ALERT_LOW_CREDITS: '[20, 100, 20]',
      ALERT_EXPIRING_DAYS: '0',
      WEBHOOK_PRIVATE_TARGETS: 'allow',
    });
    expect(config).toMatchObject({
      logLevel: 'warn',
      rateLimits: { user: 0, key: 1 },
      streamLimit: 2,
      signUp: { credits: 50, expireDays: 30 },
      alertRules: { lowCredits: [100, 20], expiringWithin: 0 },
      allowsPrivateTargets: true,
      auth: {
        formats: ['v5'],
        sessionCookieNames: ['shop.session'],
        userIdClaim: 'email',
        jwks: {
          url: 'https://app.example.com/.well-known/jwks.json',
          issuer: 'https://app.example.com',
          audience: 'purser',
        },
      },
      stripe: {
        livemode: true,
        apiBase: { protocol: 'http', host: '127.0.0.1', port: 12111 },
        prices: {
          env: new Map([
            ['price_x', expect.objectContaining({ credits: 100, expires: 'never' })],
            ['price_seat', expect.objectContaining({ credits: 0 })],
          ]),
        },
      },
    });
    expect(Object.isFrozen(config)).toBe(true);
  });
});

describe('the process’s environment', () => {
  afterEach(() => vi.unstubAllEnvs());

  test.each(['SYNC_DATABASE_URL', 'ASYNC_DATABASE_URL'])('%s is read as DATABASE_URL', (name) => {
    vi.stubEnv(name, 'postgresql+asyncpg://u:p@h/d');
    expect(readEnvironment()['DATABASE_URL']).toBe('postgresql+asyncpg://u:p@h/d');
    vi.stubEnv('DATABASE_URL', 'postgres://u:p@h/of-this-name');
    expect(readEnvironment()['DATABASE_URL']).toBe('postgres://u:p@h/of-this-name');
  });

  test('an empty variable counts as one that is not set', () => {
    vi.stubEnv('DATABASE_URL', '');
    vi.stubEnv('PORT', '');
    expect(readEnvironment()).toMatchObject({ DATABASE_URL: undefined });
    expect(readEnvironment()).not.toHaveProperty('PORT');
  });
});
