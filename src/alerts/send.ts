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

/** What came of it: the status that was answered, or why there was none. */
export type Sent =
  | { readonly status: number; readonly problem: null }
  | { readonly status: null; readonly problem: string };

/** The most of an answer's body that is taken off the wire, in bytes; what it says is ignored. */
const BODY_LIMIT = 64 * 1024;
const HEADERS_LIMIT = 16 * 1024;

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
    const url = new URL(message.url);
    const addresses = await orAborted(findAddresses(url, targets), signal);
    const response = await answerOf(post(url, addresses, message, signal));
    await discardBody(response);
    return { status: response.statusCode ?? 0, problem: null };
  } catch (error) {
    return { status: null, problem: inWords(error, signal) };
  }
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
    maxHeaderSize: HEADERS_LIMIT,
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
  request.on('response', resolve).on('error', reject);
  return promise;
}

/** Lets the other side finish what it says, within bounds; the status has been told already. */
async function discardBody(response: IncomingMessage): Promise<void> {
  let left = BODY_LIMIT;
  try {
    for await (const chunk of response) {
      left -= chunk.length;
      if (left < 0) break;
    }
  } catch {
    // It broke off, or took too long.
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort));
}

function inWords(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'there was no answer in time';
  if (error instanceof RefusedTarget) return `the target is refused: ${error.message}`;
  const { code, message } = error as NodeJS.ErrnoException;
  return `the connection failed: ${code ?? message}`;
}
