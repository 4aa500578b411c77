/**
 * A process of its own that plays Stripe: it signs fresh events of renewals and delivers them, each
 * once. Not wrk, which repeats its requests for a while: every delivery must be a new event of
 * another customer, or it would measure duplicates. Bare sockets, because a client of Node's own
 * costs several times as much, and the two cores are shared.
 */
import { createHmac } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import { type Renewal, renewalEvent, renewalEvents } from './renewals.ts';

export interface DeliveryLoad {
  readonly port: number;
  readonly secret: string;
  readonly connections: number;
  /** The part of every id that says of which sample it is. */
  readonly sample: string;
  /** One renewal each. */
  readonly users: readonly string[];
  /** Whether each comes with all that Stripe tells of it, or as its `invoice.paid` alone. */
  readonly withPayments: boolean;
}

/** What Stripe would have seen; latencies are in milliseconds. */
export interface DeliveryResult {
  /** How many were answered with 200. */
  readonly accepted: number;
  readonly refused: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

/** A whole answer; the webhook's bodies are short and have a length. */
const ANSWER = /^HTTP\/1\.1 (\d{3}) .*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n/is;

async function deliver(load: DeliveryLoad): Promise<DeliveryResult> {
  const { port, secret, connections, sample, users, withPayments } = load;
  const eventsOf = withPayments ? renewalEvents : (renewal: Renewal) => [renewalEvent(renewal)];
  const requests = users.flatMap((userId, i) => {
    const shape = i % 2 === 0 ? 'basil' : 'acacia';
    return eventsOf({ id: `${sample}_${i}`, userId, shape }).map((body) => sign(body, secret));
  });
  const sockets = await Promise.all(Array.from({ length: connections }, () => connect(port)));
  const latencies: number[] = [];
  let [next, refused] = [0, 0];
  const started = performance.now();
  await Promise.all(
    sockets.map(async (socket) => {
      for (let request = requests[next++]; request; request = requests[next++]) {
        const before = performance.now();
        const status = await exchange(socket, request);
        if (status !== 200) refused += 1;
        latencies.push(performance.now() - before);
      }
      socket.destroy();
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const sorted = latencies.toSorted((a, b) => a - b);
  const percentile = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  const accepted = latencies.length - refused;
  return { accepted, refused, seconds, p50: percentile(0.5), p99: percentile(0.99) };
}

function sign(body: string, secret: string): Buffer {
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
  const head = [
    'POST /webhooks/stripe HTTP/1.1',
    'Host: 127.0.0.1',
    'User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)',
    'Accept: */*; q=0.5, application/xml',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Stripe-Signature: t=${timestamp},v1=${signature}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

async function connect(port: number): Promise<Socket> {
  const socket = createConnection({ host: '127.0.0.1', port, noDelay: true });
  socket.setEncoding('latin1');
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject);
  });
  return socket;
}

/** Sends a request and resolves with the status of its answer. */
function exchange(socket: Socket, request: Buffer): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let answer = '';
  function read(chunk: string): void {
    answer += chunk;
    const head = ANSWER.exec(answer);
    if (!head || answer.length < head[0].length + Number(head[2])) return;
    socket.off('data', read).off('error', reject).off('close', gone);
    resolve(Number(head[1]));
  }
  const gone = () => reject(new Error('the server closed the connection'));
  socket.on('data', read).on('error', reject).on('close', gone);
  socket.write(request);
  return promise;
}

if (import.meta.main) {
  process.once('message', async (load: DeliveryLoad) => {
    process.send?.(await deliver(load), () => process.disconnect());
  });
}
