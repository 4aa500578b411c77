import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { PRODUCTION } from './environment.ts';
import { servePurser } from './process.ts';

/** A webhook as its receiver got it. */
export interface Received {
  readonly path: string;
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Says what to answer: a status, or nothing for ever. */
type Answer = (received: Received, response: ServerResponse) => number | null;

/** An HTTP server that takes webhooks. */
export interface WebhookReceiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** What every further webhook is answered; 204 until something else is said. */
  readonly answer: (how: Answer) => void;
  /** How many came, with or without a webhook. */
  readonly connections: () => number;
  /** Empties `received`, and counts connections from 0 again. */
  readonly forget: () => void;
  readonly close: () => Promise<void>;
}

export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const received: Received[] = [];
  let connections = 0;
  let answer: Answer = () => 204;

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const headers = request.headers as Record<string, string>;
    const path = request.url ?? '';
    const one = { path, id: headers['webhook-id'] ?? '', headers, body, ...JSON.parse(body) };
    received.push(one);
    const status = answer(one, response);
    if (status !== null && !response.headersSent) response.writeHead(status).end();
  }

  const server = createServer((request, response) => {
    receive(request, response).catch(() => response.destroy());
  });
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    answer(how) {
      answer = how;
    },
    connections: () => connections,
    forget() {
      received.length = 0;
      connections = 0;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Whether the receiver's own library takes a webhook for genuine, with this secret. */
export function isGenuine({ body, headers }: Received, secret: string): boolean {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

/** A server on a database that delivers webhooks to this machine, too. */
export function serveWithWebhooks(databaseUrl: string) {
  return servePurser([], {
    env: {
      ...PRODUCTION,
      PORT: '0',
      DATABASE_URL: databaseUrl,
      STRIPE_API_BASE: 'http://127.0.0.1:1',
      WEBHOOK_PRIVATE_TARGETS: 'allow',
    },
  });
}
