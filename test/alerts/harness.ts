import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { createEndpoint } from '../../src/alerts/endpoints.ts';
import { type AlertWorker, createAlertWorker } from '../../src/alerts/worker.ts';
import type { AlertType } from '../../src/ledger/core/alert.ts';
import type { Command } from '../../src/ledger/core/command.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';

export let database: TestDatabase;
export let ledger: Ledger;
export let receiver: WebhookReceiver;
export let worker: AlertWorker;
/** What workers logged since the test began. */
export const logged: { readonly fields: unknown; readonly what: string }[] = [];

const workers: AlertWorker[] = [];

/** Another process that delivers. */
export function anotherWorker(): AlertWorker {
  const note = (fields: unknown, what: string) => void logged.push({ fields, what });
  const log = { info: note, warn: note } as Parameters<typeof createAlertWorker>[0]['log'];
  const one = createAlertWorker({ pool: database.pool, targets: { allowsPrivate: true }, log });
  workers.push(one);
  return one;
}

/** Gives each test a receiver and a worker, and a ledger on a database without endpoints. */
export function useAlerts(): void {
  beforeAll(async () => {
    database = await createTestDatabase();
    const { url, pool } = database;
    const alertRules = { lowCredits: [20], expiringWithin: 0 };
    ledger = createLedger({ url, pool, alertRules });
  });
  beforeEach(async () => {
    logged.length = 0;
    receiver = await startWebhookReceiver();
    worker = anotherWorker();
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((one) => one.stop()));
    await receiver.close();
    await database.sql('TRUNCATE alerts, webhook_endpoints, alert_deliveries');
  });
  afterAll(async () => {
    await ledger.close();
    await database.drop();
  });
}

/** An endpoint at this test's receiver. */
export async function makeEndpoint(types: readonly AlertType[] | null = null, path = '') {
  const made = await createEndpoint(database.pool, { url: receiver.url + path, types });
  if (!made) throw new Error('there are too many');
  return made;
}

/** An alert that the worker is sending. @returns what answers it, and what ends with the worker */
export async function underWay(command: Command) {
  const asked = Promise.withResolvers<ServerResponse>();
  receiver.answer((_, response) => {
    asked.resolve(response);
    return null;
  });
  await ledger.post(command);
  const running = worker.run();
  const response = await asked.promise;
  receiver.answer(() => 204);
  return { running, answer: (status: number) => response.writeHead(status).end() };
}

/** As when so much time has passed that every pause and lease is over. */
export const letTimePass = () =>
  database.sql(`UPDATE alert_deliveries SET next_attempt_at = now() WHERE state = 'pending'`);

interface OnRecord {
  readonly user_id: string;
  readonly type: string;
  readonly state: string;
  readonly attempts: number;
  readonly status: number | null;
  readonly problem: string | null;
}

/** The deliveries, in the order of their alerts. */
export const deliveries = () =>
  database.sql<OnRecord>(
    `SELECT d.user_id, type, state, attempts, status, problem
       FROM alert_deliveries d JOIN alerts USING (position) ORDER BY position, endpoint_id`,
  );
