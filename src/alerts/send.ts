import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';
import { findAddresses, RefusedTarget, type TargetRules } from './target.ts';

/** A POST to an endpoint. */
export interface Message {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What came of it: the status that was answered, with its Retry-After, or why there was none. */
export type Sent =
  | { readonly status: number; readonly problem: null; readonly retryAfter?: string | undefined }
  | { readonly status: null; readonly problem: string };

/**
 * The most of an answer's body that is taken off the wire, in bytes, and how long that may take, in
 * milliseconds: the status has been told, and what else is said is ignored.
 */
const BODY = { bytes: 64 * 1024, within: 500 } as const;

/**
 * Sends a message on a connection of its own to an address that was checked, and follows no
 * redirect: where that leads was not checked.
 * @param signal ends it; whatever was under way is cut
 */
export async function send(
  message: Message,
  targets: TargetRules,
  signal: AbortSignal,
): Promise<Sent> {
  try {
    const response = await orAborted(ask(message, targets, signal), signal);
    await discardBody(response);
    const { statusCode: status = 0, headers } = response;
    return { status, problem: null, retryAfter: headers['retry-after'] };
  } catch (error) {
    return { status: null, problem: inWords(error, signal) };
  }
}

async function ask(
  message: Message,
  targets: TargetRules,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const url = new URL(message.url);
  return answerOf(post(url, await findAddresses(url, targets), message, signal));
}

function post(
  url: URL,
  addresses: readonly string[],
  { headers, body }: Message,
  signal: AbortSignal,
): ClientRequest {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return request(url, {
    method: 'POST',
    headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
    agent: false,
    lookup: alwaysTo(addresses),
    signal,
  }).end(body);
}

/** Stands in for the look-up of the connection: no name is asked for a second time. */
function alwaysTo(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_hostname, { all }, callback) => {
    const [first] = found;
    if (all) callback(null, found);
    else if (first) callback(null, first.address, first.family);
    else callback(new Error('there is no address'), '');
  };
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request
    .on('response', resolve)
    // Without a listener, Node destroys the request and tells nobody.
    .on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.destroy());
    })
    .on('error', reject)
    .on('close', () => reject(new Error('it was closed without an answer')));
  return promise;
}

/** Lets the other side finish what it says, within bounds. */
async function discardBody(response: IncomingMessage): Promise<void> {
  const tooLong = setTimeout(() => response.destroy(), BODY.within);
  let left = BODY.bytes;
  try {
    for await (const chunk of response) {
      left -= chunk.length;
      if (left < 0) break;
    }
  } catch {
    // It broke off, or took too long.
  }
  clearTimeout(tooLong);
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort));
}

function inWords(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'there was no answer in time';
  if (error instanceof RefusedTarget) return `the target is refused: ${error.message}`;
  const { code, message } = error as NodeJS.ErrnoException;
  return `the connection failed: ${code ?? message}`;
}
