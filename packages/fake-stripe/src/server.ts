import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ApiRequest } from './api/api.ts';
import type { ApiAnswer } from './api/idempotency.ts';
import type { Page } from './pages/html.ts';

/** An answer in JSON, a page, or null to close the connection. */
export type Reply = ApiAnswer | Page | null;

export interface FakeServer {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** The largest body that is read, in bytes. */
const BODY_LIMIT = 256 * 1024;

/** Serves on 127.0.0.1 only. @param port 0 for one that is free */
export async function serve(
  port: number,
  answer: (request: ApiRequest) => Promise<Reply>,
): Promise<FakeServer> {
  const server = createServer((message, response) => {
    readRequest(message)
      .then(answer)
      .then((reply) => write(response, reply))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, close: () => close(server) };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

function write(response: ServerResponse, reply: Reply): void {
  if (reply === null) return void response.destroy();
  if ('html' in reply) {
    response.writeHead(reply.status, reply.headers);
    return void response.end(reply.html);
  }
  const id = `req_sim_${randomUUID().replaceAll('-', '')}`;
  const headers = { 'content-type': 'application/json', 'request-id': id, ...reply.headers };
  response.writeHead(reply.status, headers);
  response.end(JSON.stringify(reply.body));
}

async function readRequest(message: IncomingMessage): Promise<ApiRequest> {
  let body = '';
  message.setEncoding('utf8');
  for await (const chunk of message) {
    body += chunk;
    if (body.length > BODY_LIMIT) throw new Error('the body is too large');
  }
  const { authorization } = message.headers;
  return {
    method: message.method ?? 'GET',
    url: new URL(message.url ?? '/', 'http://fake'),
    body,
    authorization,
    idempotencyKey: header(message, 'idempotency-key'),
    stripeVersion: header(message, 'stripe-version'),
  };
}

function header(message: IncomingMessage, name: string): string | undefined {
  return message.headersDistinct[name]?.[0];
}
