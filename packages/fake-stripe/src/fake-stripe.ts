import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type ApiAnswer, type ApiRequest, answerApi, refuse } from './api.ts';
import { answerControl } from './control.ts';
import { deliver } from './deliver.ts';
import { createStore, type Store } from './store.ts';

/** What is wrong with the API: it fails, takes `ms` milliseconds longer, or never answers. */
export type Fault =
  | { readonly kind: 'error'; readonly status: number }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'silence' };

export interface FakeStripeOptions {
  /** On 127.0.0.1; 0, the default, for one that is free. */
  readonly port?: number;
}

/** A running fake. Its store's functions play Stripe's customers and make their events. */
export interface FakeStripe extends Store {
  /** What to give as STRIPE_API_BASE. */
  readonly url: string;
  /** Makes the API (not the control door) fail until it is called with null. */
  readonly setFault: (fault: Fault | null) => void;
  /** How many requests the API has received. */
  readonly requests: () => number;
  readonly deliver: typeof deliver;
  readonly stop: () => Promise<void>;
}

/** The largest body that is read, in bytes. */
const BODY_LIMIT = 256 * 1024;

export async function startFakeStripe({ port = 0 }: FakeStripeOptions = {}): Promise<FakeStripe> {
  let url = '';
  let fault: Fault | null = null;
  let requests = 0;
  const store = createStore(() => url);
  const stopping = new AbortController();

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });

  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await readRequest(message);
    const { status, body } = request.url.pathname.startsWith('/_fake/')
      ? answerControl(store, request)
      : await answerWithFaults(request);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }

  async function answerWithFaults(request: ApiRequest): Promise<ApiAnswer> {
    requests += 1;
    if (fault?.kind === 'error') return refuse(fault.status, 'The fake was told to fail.');
    if (fault?.kind === 'silence') await delay(2 ** 31 - 1, null, { signal: stopping.signal });
    if (fault?.kind === 'slow') await delay(fault.ms, null, { signal: stopping.signal });
    return answerApi(store, request);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    ...store,
    url,
    setFault(next) {
      fault = next;
    },
    requests: () => requests,
    deliver,
    async stop() {
      stopping.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readRequest(message: IncomingMessage): Promise<ApiRequest> {
  let body = '';
  message.setEncoding('utf8');
  for await (const chunk of message) {
    body += chunk;
    if (body.length > BODY_LIMIT) throw new Error('the body is too large');
  }
  return {
    method: message.method ?? 'GET',
    url: new URL(message.url ?? '/', 'http://fake'),
    body,
    authorization: message.headers.authorization,
  };
}
