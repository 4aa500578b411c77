import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const ACCEPTABLE = /^[\w.:/+=@-]{1,128}$/;

export function newRequestId(): string {
  return randomUUID();
}

/** The caller's X-Request-Id when it is fit for a log line and a header, else a new one. */
export function requestId({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const sent = headers['x-request-id'];
  return typeof sent === 'string' && ACCEPTABLE.test(sent) ? sent : newRequestId();
}
