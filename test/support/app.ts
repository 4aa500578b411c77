import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { pino } from 'pino';
import { expect } from 'vitest';
import { createKey } from '../../src/auth/key-store.ts';
import { signV4Token } from '../../src/auth/sign-token.ts';
import { readConfig } from '../../src/config/config.ts';
import type { Scope } from '../../src/identity.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { logOptions } from '../../src/log.ts';
import { assemble, type LiveTimes } from '../../src/main.ts';
import type { Processing } from '../../src/stripe/fulfil/processing.ts';
import { type Contract, readContract } from './api-contract.ts';
import { grant } from './commands.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

const SECRET = 'kV9dQ2mX7tR4wZ8pL1sN6cB3yF5hJ0gA';
export const WEBHOOK_SECRET = 'whsec_ofTheTestsOfTheHttpApi';
export const FRONT_END = 'https://app.example.com';

interface Call {
  /** The user whose session token is sent; none when it is left out. */
  readonly as?: string;
  /** The service key that is sent instead. */
  readonly key?: string;
  /** Sent as JSON; a text or bytes are sent as they are. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect of it
  readonly body: any;
  readonly text: string;
}

/** What is on record of a user: a request that was refused must not change it. */
interface OnRecord {
  readonly balance: number;
  readonly entries: number;
}

/** The whole app as it is deployed, on a database of its own. */
export interface TestApp {
  readonly app: FastifyInstance;
  /** Where it listens. */
  readonly url: string;
  readonly database: TestDatabase;
  /**
   * Sends a request and checks what holds of every answer: that it is as the published OpenAPI
   * document says, that an error has its envelope, and that it is no 500.
   */
  readonly call: (method: string, url: string, options?: Call) => Promise<Answer>;
  /** A request whose 500 is expected. */
  readonly callAndFail: (method: string, url: string, options?: Call) => Promise<Answer>;
  /** Makes a service key. */
  readonly makeKey: (...scopes: readonly Scope[]) => Promise<string>;
  readonly give: (userId: string, amount: number) => Promise<void>;
  readonly onRecord: (userId: string) => Promise<OnRecord>;
  readonly tokenOf: (userId: string) => Promise<string>;
  /** Sends bytes over a connection of their own and returns all that comes back until its end. */
  readonly exchange: (...parts: readonly (string | Buffer)[]) => Promise<string>;
  /** What carries Stripe's events out. */
  readonly processing: Processing;
  /** Looks at everybody who is to be topped up, and waits for what that begins. */
  readonly sweepTopUps: () => Promise<void>;
  /** Posts once what is due by itself. */
  readonly sweep: () => Promise<number>;
  /** What its ledger has done so far. */
  readonly counts: Ledger['counts'];
  /** The lines that the app logged, as JSON. */
  readonly log: readonly string[];
  readonly close: () => Promise<void>;
}

export interface TestAppOptions {
  /** Made and dropped with the app when it is left out. */
  readonly database?: TestDatabase;
  /** Another way to the database, such as a proxy's. */
  readonly databaseUrl?: string;
  /** How often live balances look at what. */
  readonly live?: LiveTimes;
  /** Variables to set, or to unset. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = options.database ?? (await createTestDatabase());
  const config = readConfig({
    NODE_ENV: 'test',
    DATABASE_URL: options.databaseUrl ?? database.url,
    SESSION_SECRET_KEY: SECRET,
    NEXTAUTH_SECRET: SECRET,
    NEXTAUTH_URL: FRONT_END,
    STRIPE_SECRET_KEY: 'sk_test_1',
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    STRIPE_API_BASE: 'http://127.0.0.1:1',
    RATE_LIMIT_PER_MINUTE: '0',
    ...options.env,
  });
  const log: string[] = [];
  const logger = pino(logOptions('debug'), { write: (line) => void log.push(line) });
  const parts = await assemble(config, logger, options.live);
  const { app, ledger, pool, reports, receiver, sweep, topUp } = parts;
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const contract = readContract(app.swagger());
  const tokens = new Map<string, Promise<string>>();

  function tokenOf(userId: string): Promise<string> {
    const token = tokens.get(userId) ?? signToken(userId);
    tokens.set(userId, token);
    return token;
  }

  async function send(method: string, url: string, call: Call): Promise<Answer> {
    const token = call.key ?? (call.as && (await tokenOf(call.as)));
    const response = await app.inject({
      ...payloadOf(call.body),
      method: method as NonNullable<InjectOptions['method']>,
      url,
      headers: {
        ...(call.body !== undefined && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
        ...call.headers,
      },
    });
    const json =
      response.headers['content-type']?.startsWith('application/json') && response.body !== '';
    return {
      status: response.statusCode,
      headers: response.headers as Answer['headers'],
      body: json ? response.json() : null,
      text: response.body,
    };
  }

  return {
    app,
    url: `http://127.0.0.1:${port}`,
    database,
    tokenOf,
    counts: ledger.counts,
    processing: receiver.processing,
    sweepTopUps: topUp.sweep,
    sweep: sweep.run,
    log,
    async call(method, url, call = {}) {
      const answer = await send(method, url, call);
      expect(answer.status, answer.text).not.toBe(500);
      checkAnswer(contract, method, url, answer);
      return answer;
    },
    async callAndFail(method, url, call = {}) {
      const answer = await send(method, url, call);
      checkAnswer(contract, method, url, answer);
      return answer;
    },
    async makeKey(...scopes) {
      const made = await createKey(database.pool, { name: 'test', scopes, expiresAt: null });
      return made.key;
    },
    async give(userId, amount) {
      expect(await ledger.post(grant(userId, amount))).toMatchObject({ ok: true });
    },
    async onRecord(userId) {
      const [row] = await database.sql<{ balance: number; entries: number }>(
        `SELECT coalesce(sum(delta), 0)::bigint AS balance, count(*) AS entries
           FROM credit_ledger WHERE user_id = $1`,
        [userId],
      );
      return row ?? { balance: 0, entries: 0 };
    },
    exchange: (...parts) => exchange(port, parts),
    async close() {
      app.server.closeAllConnections();
      await app.close();
      await Promise.all([receiver.stop(), topUp.stop()]);
      await ledger.close();
      await Promise.all([pool.end(), reports.end()]);
      if (!options.database) await database.drop();
    },
  };
}

function payloadOf(body: unknown): Pick<InjectOptions, 'payload'> {
  if (body === undefined) return {};
  return {
    payload: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
  };
}

function signToken(userId: string): Promise<string> {
  const now = Date.now();
  return signV4Token({ userId, secret: SECRET, lifetimeSeconds: 3_600, now });
}

/** What holds of every answer, whatever was asked. */
function checkAnswer(contract: Contract, method: string, url: string, answer: Answer): void {
  const { status, headers, body, text } = answer;
  const what = `${method} ${url} → ${status} ${text}`;
  expect(headers['x-request-id'], what).toMatch(/^[\w.:/+=@-]{1,128}$/);
  if (method === 'HEAD') return void expect(text).toBe('');
  if (status >= 400) expectEnvelope(body, headers['x-request-id'], what);
  expect(contract.faults(method, url, answer), what).toEqual([]);
}

/** An error's body is exactly the envelope, and names the request as the header does. */
export function expectEnvelope(body: unknown, requestId: string | undefined, what?: string): void {
  expect(body, what).toEqual({
    error: expect.objectContaining({
      code: expect.stringMatching(/^[a-z_]+$/),
      message: expect.stringMatching(/^[A-Z].*\.$/),
    }),
    request_id: requestId,
  });
}

async function exchange(port: number, parts: readonly (string | Buffer)[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const answer: Buffer[] = [];
  socket.on('data', (chunk) => answer.push(chunk));
  // The server may close while the rest of a request that is too large is still being sent.
  socket.on('error', () => {});
  await once(socket, 'connect');
  for (const part of parts) socket.write(part);
  if (!socket.destroyed) await once(socket, 'close');
  return Buffer.concat(answer).toString('latin1');
}
