import pg from 'pg';

/** How long the way to the server may take, in milliseconds. */
const CANCEL_TIMEOUT = 2_000;

/** What the driver has and its types do not tell. */
interface CancellableClient {
  readonly host: string;
  readonly port: number;
  readonly ssl: unknown;
  readonly processID: number;
  readonly secretKey: number;
}
interface CancellingConnection extends pg.Connection {
  connect(port: number, host: string): void;
  requestSsl(): void;
  cancel(processID: number, secretKey: number): void;
}

/**
 * Asks the server, on a connection of its own, to give up what `client` waits for: a backend that
 * waits for a lock does not notice that nobody listens any more. The query then fails with 57014;
 * where none runs, or nobody answers, nothing happens.
 * (https://www.postgresql.org/docs/current/protocol-flow.html, "Canceling Requests in Progress")
 */
export function cancelQuery(client: pg.PoolClient): void {
  const { host, port, ssl, processID, secretKey } = client as unknown as CancellableClient;
  const connection = new pg.Connection({ ssl } as pg.ConnectionConfig) as CancellingConnection;
  const { stream } = connection;
  const tooLate = setTimeout(() => stream.destroy(), CANCEL_TIMEOUT).unref();
  const cancel = () => connection.cancel(processID, secretKey);
  connection.on('error', () => stream.destroy());
  connection.on('end', () => clearTimeout(tooLate));
  connection.once('connect', () => (ssl ? connection.requestSsl() : cancel()));
  connection.once('sslconnect', cancel);
  connection.connect(port, host);
}
