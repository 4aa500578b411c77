import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Pool } from 'pg';
import { askedFor, pauseAfter } from './back-off.ts';
import { claim, type Delivery, giveBack, type Outcome, settle } from './outbox.ts';
import { removeOldAlerts } from './retention.ts';
import { type Sent, send } from './send.ts';
import { sign } from './signing.ts';
import type { TargetRules } from './target.ts';

export interface AlertWorkerOptions {
  readonly pool: Pool;
  readonly targets: TargetRules;
  readonly log: Pick<FastifyBaseLogger, 'info' | 'warn'>;
}

/** Delivers alerts to webhook endpoints, at least once and in order per account and endpoint. */
export interface AlertWorker {
  readonly start: () => void;
  /** Attempts whatever is due, until nothing is. */
  readonly run: () => Promise<void>;
  /** Takes no more, lets what is under way end, gives back the rest, and resolves within 3 seconds. */
  readonly stop: () => Promise<void>;
}

/** How long an attempt may take, from the look-up of the name to the answer, in milliseconds. */
const TIMEOUT = 10_000;
/** How long to wait before looking again when nothing is due, in milliseconds. */
const PAUSE = 1_000;
/** When a shutdown cuts what is under way, and when it waits no longer, in milliseconds. */
const CUT_AFTER = 2_000;
const STOP_WITHIN = 3_000;
/** How often old alerts are removed, in milliseconds. */
const TIDY_EVERY = 3_600_000;

/** Several processes share the work: what one has claimed, another takes up only after its lease. */
export function createAlertWorker({ pool, targets, log }: AlertWorkerOptions): AlertWorker {
  const stopping = new AbortController();
  const cutting = new AbortController();
  const hands = new Map<Promise<void>, string>();
  let running: Promise<unknown> | null = null;
  let away = false;
  let ended = 0;

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const before = ended;
      const { deliveries, more } = await claim(pool, busy());
      deliveries.forEach(begin);
      // What ends makes the account's next one due.
      if (more || ended !== before) continue;
      if (hands.size === 0) return;
      // A slow endpoint keeps nobody else's waiting.
      await Promise.race([...hands.keys(), pause()]);
    }
  }

  function begin(delivery: Delivery): void {
    const hand = deliver(delivery).finally(() => {
      hands.delete(hand);
      ended += 1;
    });
    hands.set(hand, delivery.endpointId);
  }

  function busy(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const id of hands.values()) counts.set(id, (counts.get(id) ?? 0) + 1);
    return counts;
  }

  /** Never rejects: an attempt whose end cannot be written is made again after its lease. */
  async function deliver(delivery: Delivery): Promise<void> {
    const { endpointId: endpoint, alertId: alert } = delivery;
    try {
      const sent = await attempt(delivery);
      if (cutting.signal.aborted && sent.status === null) return await giveBack(pool, delivery);
      const outcome = outcomeOf(sent, delivery.retries);
      const disabled = await settle(pool, delivery, outcome);
      const { state, status, problem } = outcome;
      const fields = { endpoint, alert, state, status, problem };
      if (state !== 'delivered') {
        log[state === 'failed' ? 'warn' : 'info'](fields, 'a webhook was not delivered');
      }
      if (disabled !== null) log.warn({ endpoint, reason: disabled }, 'an endpoint is disabled');
    } catch (error) {
      log.warn({ err: error, endpoint, alert }, 'what became of a webhook cannot be written');
    }
  }

  function attempt(delivery: Delivery): Promise<Sent> {
    const { alertId, type, data, createdAt, url, secrets } = delivery;
    const body = JSON.stringify({ type, timestamp: new Date(createdAt).toISOString(), data });
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Purser',
      ...sign(alertId, body, secrets, Date.now()),
    };
    const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT), cutting.signal]);
    return send({ url, headers, body }, targets, signal);
  }

  async function repeat(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await run();
        away = false;
      } catch (error) {
        // Once in an outage, not every time it is tried again.
        if (!away) log.warn({ err: error }, 'the alerts cannot be read');
        away = true;
      }
      await pause();
    }
  }

  /** Has a turn of its own: with a slow receiver deliveries may never come to an end. */
  async function tidy(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await removeOldAlerts(pool, stopping.signal);
      } catch (error) {
        log.warn({ err: error }, 'old alerts cannot be removed');
      }
      await pause(TIDY_EVERY);
    }
  }

  async function pause(milliseconds = PAUSE): Promise<void> {
    await sleep(milliseconds, null, { signal: stopping.signal }).catch(() => null);
  }

  return {
    run,
    start() {
      running ??= Promise.all([repeat(), tidy()]);
    },
    async stop() {
      stopping.abort();
      const cut = setTimeout(() => cutting.abort(), CUT_AFTER);
      const waiting = new AbortController();
      const tooLong = sleep(STOP_WITHIN, null, { signal: waiting.signal }).catch(() => null);
      const ended = Promise.resolve(running).then(() => Promise.all(hands.keys()));
      await Promise.race([ended, tooLong]);
      waiting.abort();
      clearTimeout(cut);
    },
  };
}

function outcomeOf(sent: Sent, retries: number): Outcome {
  const { status, problem } = sent;
  if (status !== null && status >= 200 && status < 300) {
    return { state: 'delivered', status, problem: null, pause: null, gone: false };
  }
  const asked = sent.status === null ? 0 : askedFor(sent.retryAfter, Date.now());
  const pause = pauseAfter(retries, Math.random(), asked);
  return {
    state: pause === null ? 'failed' : 'pending',
    status,
    problem: problem ?? `it answered ${status}`,
    pause,
    gone: status === 410,
  };
}
