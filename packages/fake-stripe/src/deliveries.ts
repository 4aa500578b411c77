import { setTimeout as delay } from 'node:timers/promises';
import { matches } from './api/events.ts';
import { type DeliveryOptions, deliver } from './deliver.ts';
import { type DeliveryPlan, inPlannedOrder } from './delivery-plan.ts';
import { type EventLog, type LoggedEvent, renderEvent, type StripeEvent } from './events.ts';
import type { Shape, View } from './objects/object.ts';

/** Where events are posted to. */
interface WebhookEndpoint extends DeliveryOptions {
  /** Its API version; an endpoint keeps it for ever. Current when it is left out. */
  readonly shape?: Shape;
  /** Types such as `invoice.paid`, `invoice.*` and `*`; all when it is left out. */
  readonly enabledEvents?: readonly string[];
}

/** What an endpoint answered. */
interface Delivery {
  readonly event: string;
  readonly type: string;
  readonly url: string;
  readonly attempt: number;
  /** Null when there was no answer. */
  readonly status: number | null;
  /** The answer's body, as far as it is JSON. */
  readonly answer: unknown;
}

/** After a failure in seconds; then it is given up. Stripe goes on for three days. */
const BACK_OFF = [1, 2, 4, 8, 15, 30, 60, 120];
/** As many deliveries are under way at once, and as many may wait, per endpoint. */
const AT_ONCE = 4;
const WAITING = 10_000;

export interface Deliveries {
  /** Sends the events to the endpoint in its shape, as planned. */
  readonly send: (
    events: readonly { readonly id: string }[],
    endpoint: WebhookEndpoint,
    plan?: DeliveryPlan,
  ) => Promise<readonly Delivery[]>;
  /** From now on every event goes to these endpoints by itself, and again while they fail. */
  readonly deliverTo: (endpoints: readonly WebhookEndpoint[]) => void;
  /**
   * Waits until every event has been tried at every endpoint, or so many milliseconds.
   * @returns the latest delivery of each event since `mark`
   */
  readonly delivered: (mark: number, within: number) => Promise<readonly Delivery[]>;
  readonly stop: () => void;
}

export function createDeliveries(log: EventLog, viewIn: (shape: Shape) => View): Deliveries {
  let queues: Queue[] = [];
  const stopping = new AbortController();

  const inShape = (event: LoggedEvent, { shape = 'current' }: WebhookEndpoint) =>
    renderEvent(event, viewIn(shape));

  log.listen((event) => {
    for (const queue of queues) {
      if (wants(queue.endpoint, event)) queue.add(event.id, inShape(event, queue.endpoint));
    }
  });

  return {
    async send(events, endpoint, plan = {}) {
      const known = events.map(({ id }) => log.get(id)).filter((event) => event !== undefined);
      const planned = inPlannedOrder(
        known.filter((event) => wants(endpoint, event)),
        plan,
      );
      const sendOne = async (event: LoggedEvent) => {
        if (plan.delayed) await delay(plan.delayed, null, { signal: stopping.signal });
        return attempt(inShape(event, endpoint), endpoint, 1);
      };
      if (plan.concurrently) return Promise.all(planned.map(sendOne));
      const sent: Delivery[] = [];
      for (const event of planned) sent.push(await sendOne(event));
      return sent;
    },
    deliverTo(endpoints) {
      queues = endpoints.map((endpoint) => createQueue(endpoint, stopping.signal));
    },
    async delivered(mark, within) {
      const ids = new Set(log.since(mark).map(({ id }) => id));
      const until = Date.now() + within;
      while (queues.some((queue) => queue.untried(ids)) && Date.now() < until) {
        await delay(10, null, { signal: stopping.signal });
      }
      return queues.flatMap((queue) => queue.latest(ids));
    },
    stop: () => stopping.abort(),
  };
}

function wants({ enabledEvents = ['*'] }: WebhookEndpoint, { type }: LoggedEvent): boolean {
  return enabledEvents.some((wanted) => matches(wanted, type));
}

type Queue = ReturnType<typeof createQueue>;

/** The events that one endpoint is still to get, in order; a failing one holds up no other. */
function createQueue(endpoint: WebhookEndpoint, signal: AbortSignal) {
  const waiting: StripeEvent[] = [];
  const untried = new Set<string>();
  const latest = new Map<string, Delivery>();
  let underWay = 0;

  function pump(): void {
    while (underWay < AT_ONCE && waiting.length > 0 && !signal.aborted) {
      const event = waiting.shift();
      if (event) void run(event);
    }
  }

  async function run(event: StripeEvent, number = 1): Promise<void> {
    underWay += 1;
    const delivery = await attempt(event, endpoint, number);
    underWay -= 1;
    untried.delete(event.id);
    remember(delivery);
    pump();
    const wait = BACK_OFF[number - 1];
    const failed = delivery.status === null || delivery.status >= 300;
    if (!failed || wait === undefined || signal.aborted) return;
    const timer = setTimeout(() => void run(event, number + 1), wait * 1000);
    // Neither a test nor the end of a process waits for the next attempt.
    timer.unref();
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }

  function remember(delivery: Delivery): void {
    latest.delete(delivery.event);
    latest.set(delivery.event, delivery);
    const [oldest] = latest.keys();
    if (latest.size > WAITING && oldest !== undefined) latest.delete(oldest);
  }

  return {
    endpoint,
    add(id: string, event: StripeEvent): void {
      if (waiting.length >= WAITING) return;
      waiting.push(event);
      untried.add(id);
      // What is done is told as a whole, so the first delivery begins after it.
      setImmediate(pump);
    },
    untried: (ids: ReadonlySet<string>) => [...ids].some((id) => untried.has(id)),
    latest: (ids: ReadonlySet<string>) =>
      [...ids].map((id) => latest.get(id)).filter((delivery) => delivery !== undefined),
  };
}

async function attempt(
  event: StripeEvent,
  endpoint: WebhookEndpoint,
  number: number,
): Promise<Delivery> {
  const about = { event: event.id, type: event.type, url: endpoint.url, attempt: number };
  try {
    const response = await deliver(event, endpoint);
    const answer = await response.json().catch(() => null);
    return { ...about, status: response.status, answer };
  } catch {
    return { ...about, status: null, answer: null };
  }
}
