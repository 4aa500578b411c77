import type { AuthOptions } from '../auth/authenticator.ts';
import { MAX_SECRETS } from '../auth/token-openers.ts';
import type { AlertRules } from '../ledger/core/alert.ts';
import { DEFAULT_LIMITS, type Limits } from '../ledger/core/limits.ts';
import { isLoopback } from '../loopback.ts';
import { type PriceList, parsePriceList, readOperationsOf } from '../price-list.ts';
import { type ApiBase, livemodeOf } from '../stripe/api/client.ts';
import {
  parseCatalogueFile,
  parsePriceCredits,
  type ReadPrices,
} from '../stripe/catalogue/catalogue-json.ts';
import type { TermsByPrice } from '../stripe/catalogue/terms.ts';
import { readAlertRules, readsPrivateTargets } from './alerts.ts';
import { DEFAULT_FILE, readCatalogueFile } from './catalogue-file.ts';
import {
  asApiBase,
  asDatabaseUrl,
  asExactOrigin,
  asOrigin,
  asSecret,
  asServiceKey,
  asStripeKey,
  asTokenFormat,
  asTrustedUrl,
  asWebhookSecret,
  MODES,
  type Mode,
} from './values.ts';
import { type Env, readVariables, type Variables } from './variables.ts';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const REFERENCES = ['ignore', 'user_id'] as const;
const CHECKOUT_INVOICES = ['none', 'all'] as const;
const USER_WRITES = ['all', 'checkout', 'none'] as const;
const DAYS = { min: 0, max: 36_500 } as const;
const RATES = { min: 0, max: 1_000_000 } as const;
const LOCAL_ORIGINS = ['http://localhost:3000', 'http://127.0.0.1:3000'] as const;

/** Everything that the environment decides, checked. Frozen: nothing changes it later. */
export interface Config {
  readonly mode: Mode;
  readonly databaseUrl: string;
  /** How many ledger transactions this process has under way at once. */
  readonly ledgerLanes: number;
  readonly ledgerLimits: Limits;
  /** What operations cost: by CREDITS_PER_OPERATION_JSON, and else by the catalogue file. */
  readonly operations: PriceList;
  readonly alertRules: AlertRules;
  /** Whether webhooks may go to addresses that the internet does not reach, and by plain http. */
  readonly allowsPrivateTargets: boolean;
  readonly host: string;
  readonly port: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Null when DISABLE_AUTH_FOR_TESTS lets everyone in as the test user. */
  readonly auth: AuthOptions | null;
  /** The origin of NEXTAUTH_URL. */
  readonly frontEnd: string;
  readonly allowedOrigins: readonly string[];
  /** Requests a minute of one user and of one service key; 0 for no limit. */
  readonly rateLimits: { readonly user: number; readonly key: number };
  /** The most streams of balances that this process has open at once. */
  readonly streamLimit: number;
  /** What a session token may do beside reading. */
  readonly userWrites: (typeof USER_WRITES)[number];
  /** What a user gets at the first request: whole credits, 0 for none; 0 days: for ever. */
  readonly signUp: { readonly credits: number; readonly expireDays: number };
  /** The first service key, which may do everything; null when none is to be made. */
  readonly adminKey: string | null;
  readonly stripe: {
    readonly secretKey: string;
    readonly livemode: boolean;
    readonly apiBase: ApiBase | null;
    readonly webhookSecrets: readonly string[];
    /** Whether a session's `client_reference_id` may say whose it is; the buyer can set it. */
    readonly trustsReference: boolean;
    /** Whether Stripe makes an invoice of one-off purchases, too. */
    readonly invoicesPurchases: boolean;
    /** How many days the payloads of settled events are kept; 0: for ever. */
    readonly eventRetentionDays: number;
    /** How often Stripe is compared with the ledger; 0 for never. */
    readonly reconcileEveryMinutes: number;
    /** What each price gives: by STRIPE_PRICE_TO_CREDITS_JSON, and by the catalogue file. */
    readonly prices: { readonly env: TermsByPrice; readonly file: TermsByPrice };
  };
}

/** Whether what is missing may be made up: a developer's machine or a test. */
export function isLocal(env: Env): boolean {
  return [undefined, 'development', 'test'].includes(env['NODE_ENV']);
}

/** The environment is not fit to run with; the message names every problem at once. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    super(`The configuration has ${count}:\n${problems.map((one) => `  - ${one}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * Reads the whole configuration. Nothing is made up here: what may be missing on a developer's
 * machine has been put into `env` before. Throws a `ConfigError` with all problems.
 */
export function readConfig(env: Env): Config {
  const variables = readVariables(env);
  const mode = variables.oneOf('NODE_ENV', MODES, 'development');
  const frontEnd = variables.required('NEXTAUTH_URL', asOrigin);
  variables.required('SESSION_SECRET_KEY', (text) => asSecret(text, mode));
  const catalogue = readCatalogue(variables);
  const config: Config = Object.freeze({
    mode,
    databaseUrl: variables.required('DATABASE_URL', asDatabaseUrl),
    ledgerLanes: variables.integer('LEDGER_LANES', { min: 1, max: 16, otherwise: 3 }),
    ledgerLimits: {
      openLots: variables.integer('MAX_OPEN_LOTS', {
        ...{ min: 10, max: 1_000, otherwise: DEFAULT_LIMITS.openLots },
      }),
      openHolds: variables.integer('MAX_OPEN_HOLDS', {
        ...{ min: 1, max: 1_000, otherwise: DEFAULT_LIMITS.openHolds },
      }),
    },
    alertRules: readAlertRules(variables),
    allowsPrivateTargets: readsPrivateTargets(variables, mode),
    host: variables.optional('HOST', String) ?? (mode === 'production' ? '0.0.0.0' : '127.0.0.1'),
    port: variables.integer('PORT', { min: 0, max: 65_535, otherwise: 8_000 }),
    logLevel: variables.oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    auth: readAuth(variables, mode, frontEnd),
    frontEnd,
    allowedOrigins: readOrigins(variables, frontEnd),
    rateLimits: {
      user: variables.integer('RATE_LIMIT_PER_MINUTE', { ...RATES, otherwise: 600 }),
      key: variables.integer('KEY_RATE_LIMIT_PER_MINUTE', { ...RATES, otherwise: 60_000 }),
    },
    streamLimit: variables.integer('STREAM_LIMIT', { min: 1, max: 100_000, otherwise: 5_000 }),
    userWrites: variables.oneOf('USER_TOKEN_WRITES', USER_WRITES, 'all'),
    signUp: {
      credits: variables.integer('SIGNUP_CREDITS', { min: 0, max: 1e12, otherwise: 0 }),
      expireDays: variables.integer('SIGNUP_CREDITS_EXPIRE_DAYS', { ...DAYS, otherwise: 0 }),
    },
    adminKey: variables.optional('PURSER_ADMIN_KEY', asServiceKey),
    operations: catalogue.operations,
    stripe: readStripe(variables, mode, catalogue),
  });
  checkDisabledAuth(variables, config);
  if (variables.problems.length > 0) throw new ConfigError(variables.problems);
  return config;
}

function readAuth(variables: Variables, mode: Mode, frontEnd: string): AuthOptions | null {
  const current = variables.required('NEXTAUTH_SECRET', (text) => asSecret(text, mode));
  const previous = variables.list('NEXTAUTH_SECRETS_PREVIOUS', (text) => asSecret(text, mode));
  const formats = variables.list('AUTH_TOKEN_FORMATS', asTokenFormat) ?? ['v4', 'v5'];
  const cookieNames = variables.list('AUTH_SESSION_COOKIE_NAMES', String) ?? [];
  const jwksUrl = variables.optional('NEXTAUTH_JWKS_URL', (text) => asTrustedUrl(text, mode));
  if (formats.includes('jwks') && jwksUrl === null) {
    // The keys then come from the front end: who can change them on the way can sign anyone in.
    variables.optional('NEXTAUTH_URL', (text) => asTrustedUrl(text, mode));
  }
  if (formats.length === 0) variables.complain('AUTH_TOKEN_FORMATS', 'must name a format');
  if (1 + (previous ?? []).length > MAX_SECRETS) {
    variables.complain('NEXTAUTH_SECRETS_PREVIOUS', `may hold at most ${MAX_SECRETS - 1} secrets`);
  }
  const auth: AuthOptions = {
    secrets: [current, ...(previous ?? [])],
    formats: formats.filter((format) => format !== 'jwks'),
    sessionCookieNames: cookieNames,
    jwks: formats.includes('jwks')
      ? {
          url: jwksUrl ?? `${frontEnd}/.well-known/jwks.json`,
          issuer: frontEnd,
          audience: variables.optional('AUTH_AUDIENCE', String),
        }
      : null,
    userIdClaim: variables.optional('AUTH_USER_ID_CLAIM', String) ?? 'sub',
  };
  return variables.optional('DISABLE_AUTH_FOR_TESTS', String) === null ? auth : null;
}

/** Without authentication everybody is the same user: only for tests, where nobody can reach it. */
function checkDisabledAuth(variables: Variables, { auth, mode, host, stripe }: Config): void {
  if (auth !== null) return;
  const complain = (what: string) => variables.complain('DISABLE_AUTH_FOR_TESTS', what);
  if (variables.optional('DISABLE_AUTH_FOR_TESTS', String) !== '1')
    complain('may only be 1 or unset');
  if (mode !== 'test') complain('needs NODE_ENV=test');
  if (!isLoopback(host)) complain('needs a loopback HOST');
  if (stripe.livemode) complain('is refused beside a live Stripe key');
}

function readOrigins(variables: Variables, frontEnd: string): readonly string[] {
  const listed = variables.list('ALLOWED_ORIGINS', asExactOrigin);
  if (listed && new Set(listed).size < listed.length) {
    variables.complain('ALLOWED_ORIGINS', 'names an origin twice');
  }
  return [...new Set([frontEnd, ...(listed ?? LOCAL_ORIGINS)])];
}

function readStripe(variables: Variables, mode: Mode, { prices }: Catalogue): Config['stripe'] {
  const secretKey = variables.required('STRIPE_SECRET_KEY', (text) => asStripeKey(text, mode));
  const webhookSecret = (text: string) => asWebhookSecret(text, mode);
  const current = variables.required('STRIPE_WEBHOOK_SECRET', webhookSecret);
  const previous = variables.list('STRIPE_WEBHOOK_SECRETS_PREVIOUS', webhookSecret) ?? [];
  const apiBase = variables.optional('STRIPE_API_BASE', (text) => asApiBase(text, mode));
  return {
    secretKey,
    livemode: livemodeOf(secretKey) ?? false,
    apiBase,
    webhookSecrets: [current, ...previous],
    trustsReference: readsReference(variables),
    invoicesPurchases: variables.oneOf('CHECKOUT_INVOICES', CHECKOUT_INVOICES, 'none') === 'all',
    eventRetentionDays: variables.integer('STRIPE_EVENT_RETENTION_DAYS', {
      ...DAYS,
      otherwise: 90,
    }),
    reconcileEveryMinutes: variables.integer('RECONCILE_EVERY_MINUTES', {
      min: 0,
      max: 10_080,
      otherwise: 60,
    }),
    prices,
  };
}

/** Whether STRIPE_CLIENT_REFERENCE_ID says that it names the user. */
export function readsReference(variables: Variables): boolean {
  return variables.oneOf('STRIPE_CLIENT_REFERENCE_ID', REFERENCES, 'ignore') === 'user_id';
}

interface Catalogue {
  readonly prices: Config['stripe']['prices'];
  readonly operations: PriceList;
}

/** What is sold and what it buys, by the catalogue file and by variables, which outrank it. */
function readCatalogue(variables: Variables): Catalogue {
  const named = variables.optional('PURSER_CATALOGUE_FILE', String);
  const read = readCatalogueFile(named);
  const file = read.ok ? parseCatalogueFile(read.json) : nothing(read.problem);
  const operations = readOperationsOf(read.ok ? read.json : '');
  const which = named === null ? `(${DEFAULT_FILE}) ` : '';
  for (const one of [...file.problems, ...operations.problems]) {
    variables.complain('PURSER_CATALOGUE_FILE', `${which}${one}`);
  }
  const text = (name: string) => variables.optional(name, String) ?? '{}';
  const complain = (name: string, problems: readonly string[]) => {
    for (const one of problems) variables.complain(name, one);
  };
  const env = parsePriceCredits(text('STRIPE_PRICE_TO_CREDITS_JSON'));
  complain('STRIPE_PRICE_TO_CREDITS_JSON', env.problems);
  const listed = parsePriceList(text('CREDITS_PER_OPERATION_JSON'));
  complain('CREDITS_PER_OPERATION_JSON', listed.problems);
  return {
    prices: { env: env.prices, file: file.prices },
    operations: new Map([...operations.operations, ...listed.operations]),
  };
}

const nothing = (problem: string): ReadPrices => ({ prices: new Map(), problems: [problem] });
