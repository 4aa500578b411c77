import { readConfig } from '../../src/config/config.ts';

/** Secrets that were made for the tests: random enough to be accepted, and used nowhere else. */
export const SECRETS = {
  SESSION_SECRET_KEY: 'r2Tq8LzX5vNw1KsY7mHc4PdJ9bGf3RuE',
  NEXTAUTH_SECRET: 'kV9dQ2mX7tR4wZ8pL1sN6cB3yF5hJ0gA',
  STRIPE_SECRET_KEY: 'sk_test_4eC39HqLyjWDarjtT1zdp7dc',
  STRIPE_WEBHOOK_SECRET: 'whsec_Zk3Wn8Qv2Ls7Xb5Tc9Rd1Gf6Hj4Mp0',
} as const;

/** Everything that production demands. */
export const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://purser:hunter2@db.example.com:5432/purser?sslmode=require',
  NEXTAUTH_URL: 'https://app.example.com',
  ...SECRETS,
} as const;

/** Further secrets that are accepted, for rotation. */
export function moreSecrets(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${PRODUCTION.NEXTAUTH_SECRET}${i}`);
}

/** The name of every variable that the configuration asks for. */
export function variablesThatAreRead(): ReadonlySet<string> {
  const asked = new Set<string>();
  const all: Record<string, string> = { ...PRODUCTION, AUTH_TOKEN_FORMATS: '["jwks"]' };
  const env = new Proxy(all, {
    get(target, name) {
      asked.add(String(name));
      return target[String(name)];
    },
  });
  readConfig(env);
  return asked;
}
