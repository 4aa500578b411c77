import { type ApiRequest, createApi } from './api/api.ts';
import { answerControl } from './control.ts';
import { deliver } from './deliver.ts';
import { createDeliveries, type Deliveries } from './deliveries.ts';
import { renderEvent, type StripeEvent } from './events.ts';
import { createFaults, type Fault } from './faults.ts';
import { keepIn } from './keep.ts';
import { createLife, createShortcuts, type Life, type Shortcuts } from './life/life.ts';
import { renewDue } from './life/subscriptions.ts';
import type { Shape, View } from './objects/object.ts';
import { answerPage } from './pages/pages.ts';
import { type Reply, serve } from './server.ts';
import { openShop } from './shop.ts';
import type { Store } from './store.ts';
import { createWorld } from './world.ts';

export interface FakeStripeOptions {
  /** On 127.0.0.1; 0, the default, for one that is free. */
  readonly port?: number;
  /** In seconds since 1970; the system's clock when it is left out. */
  readonly now?: () => number;
  /** The shape in which the Events API shows events: that of the account's own API version. */
  readonly accountShape?: Shape;
  /** Whether it is a Stripe of live mode, which takes live keys only. */
  readonly livemode?: boolean;
  /** Its account; one that says to be simulated, which no production takes, when it is left out. */
  readonly account?: string;
  /** Whether it has the products of a small shop for credits. */
  readonly shop?: boolean;
  /** Where it keeps what it knows between two runs; only in memory when it is left out. */
  readonly file?: string;
}

/** A running fake. Its functions play Stripe's customers, banks and shops, and time. */
export interface FakeStripe extends Life, Shortcuts, Pick<Deliveries, 'send' | 'deliverTo'> {
  /** What to give as STRIPE_API_BASE. */
  readonly url: string;
  /** What this Stripe knows, for tests that make it forget. */
  readonly store: Store;
  /** Seconds since 1970, by the fake's clock. */
  readonly now: () => number;
  /** Lets so many seconds pass; nothing renews by itself. */
  readonly advance: (seconds: number) => void;
  /** Renews each subscription whose period has ended. @returns their events */
  readonly renewDue: () => readonly StripeEvent[];
  /** Every event so far, oldest first. */
  readonly events: (shape?: Shape) => readonly StripeEvent[];
  /** The same event as an endpoint of the other API version gets it. */
  readonly inShape: (event: { readonly id: string }, shape: Shape) => StripeEvent;
  /** Makes the API (not the control door, not the pages) fail, until it is called with null. */
  readonly setFault: (faults: Fault | readonly Fault[] | null) => void;
  /** How many requests the API has received. */
  readonly requests: () => number;
  /** Posts one event as it is. */
  readonly deliver: typeof deliver;
  readonly stop: () => Promise<void>;
}

export async function startFakeStripe(options: FakeStripeOptions = {}): Promise<FakeStripe> {
  const { port = 0, now, accountShape = 'current', livemode = false } = options;
  const { account = 'acct_sim_1', shop = false, file } = options;
  let url = '';
  let requests = 0;
  const viewIn = (shape: Shape): View => ({ shape, baseUrl: url, livemode, account });
  const world = createWorld(livemode ? 'live' : 'test', now);
  const keeper = file === undefined ? null : await keepIn(file, world);
  if (shop) openShop(world);
  const life = createLife(world, viewIn);
  const shortcuts = createShortcuts(world, life, viewIn);
  const deliveries = createDeliveries(world.events, viewIn);
  const answerApi = createApi({ world, viewIn, accountShape });
  const stopping = new AbortController();
  const faults = createFaults(stopping.signal);
  const parts = { world, life, shortcuts, deliveries };

  async function answer(request: ApiRequest): Promise<Reply> {
    const { pathname } = request.url;
    if (pathname.startsWith('/_fake/')) return answerControl(parts, request);
    if (pathname.startsWith('/c/') || pathname.startsWith('/p/')) return answerPage(parts, request);
    requests += 1;
    return faults.around(request, () => answerApi(request));
  }

  const server = await serve(port, answer);
  url = server.url;
  const since = (mark: number, shape: Shape = 'current') =>
    world.events.since(mark).map((event) => renderEvent(event, viewIn(shape)));

  return {
    ...life,
    ...shortcuts,
    url,
    store: world.store,
    now: world.now,
    advance: world.clock.advance,
    renewDue() {
      const mark = world.events.length();
      renewDue(world);
      return since(mark);
    },
    events: (shape) => since(0, shape),
    inShape({ id }, shape) {
      const event = world.events.get(id);
      if (!event) throw new Error(`there is no event ${id}`);
      return renderEvent(event, viewIn(shape));
    },
    setFault: faults.set,
    requests: () => requests,
    send: deliveries.send,
    deliverTo: deliveries.deliverTo,
    deliver,
    async stop() {
      stopping.abort();
      deliveries.stop();
      await server.close();
      await keeper?.stop();
    },
  };
}
