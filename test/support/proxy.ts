import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What a proxy does with a transaction that is about to commit. */
type CommitFault =
  | 'none'
  | 'lose-the-request'
  | 'delay-the-request'
  | 'lose-the-answer'
  | 'garble-the-answer'
  | 'roll-back';

/** A way to the database that can break as networks do. */
export interface DatabaseProxy {
  readonly url: string;
  /** Breaks the next commit only, then behaves again. */
  readonly breakNextCommit: (fault: CommitFault) => void;
  /** How many commits it has broken. */
  readonly broken: () => number;
  /** Lets a delayed commit arrive, long after its sender has lost the connection. */
  readonly deliverCommit: () => void;
  /** From now on passes nothing on, and says nothing, on the connections that are open. */
  readonly silence: () => void;
  /** The same on every connection, also on those that are made later. */
  readonly stall: () => void;
  /** Drops every connection and refuses new ones. */
  readonly goAway: () => Promise<void>;
  /** Undoes `stall` and `goAway`. */
  readonly comeBack: () => Promise<void>;
  readonly close: () => Promise<void>;
}

// Simple queries: Q, the length of what follows, and the text.
// https://www.postgresql.org/docs/current/protocol-message-formats.html
const COMMIT = Buffer.from('Q\0\0\0\x0bCOMMIT\0');
const ROLLBACK = Buffer.from('Q\0\0\0\x0dROLLBACK\0');

/** Starts a proxy on a free port before the Postgres of `databaseUrl`. */
export async function startProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let fault: CommitFault = 'none';
  let broken = 0;
  let stalled = false;
  let silent: ReadonlySet<Socket> = new Set();
  let delayed = () => {};
  let server: Server;
  let port = 0;

  function serve(client: Socket): void {
    const upstream = connect(Number(target.port), target.hostname);
    let answers: 'pass' | 'lose' | 'garble' = 'pass';
    let outlives = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        if (!outlives) upstream.destroy();
      });
    }

    function commitBadly(chunk: Buffer, how: CommitFault): void {
      broken += 1;
      fault = 'none';
      if (how === 'lose-the-request') return void client.destroy();
      if (how === 'roll-back') return void upstream.write(replace(chunk, COMMIT, ROLLBACK));
      if (how === 'delay-the-request') {
        outlives = true;
        delayed = () => upstream.end(chunk);
        return void client.destroy();
      }
      answers = how === 'garble-the-answer' ? 'garble' : 'lose';
      upstream.write(chunk);
    }

    client.on('data', (chunk) => {
      if (stalled || silent.has(client)) return;
      if (fault !== 'none' && chunk.includes(COMMIT)) commitBadly(chunk, fault);
      else upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (stalled || silent.has(client)) return;
      // The answer tells that the server has committed; the client shall never see it.
      if (answers === 'lose') client.destroy();
      else if (answers === 'garble')
        client.write(Buffer.from('!\0\0\0\x08 not what Postgres says'));
      else if (!outlives) client.write(chunk);
    });
  }

  async function listen(): Promise<void> {
    server = createServer(serve).listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  }

  async function goAway(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  }

  await listen();
  const url = new URL(databaseUrl);
  url.port = String(port);
  return {
    url: url.href,
    breakNextCommit: (next) => {
      fault = next;
    },
    broken: () => broken,
    deliverCommit: () => delayed(),
    silence: () => {
      silent = new Set(sockets);
    },
    stall: () => {
      stalled = true;
    },
    goAway,
    comeBack: async () => {
      stalled = false;
      for (const socket of sockets) socket.destroy();
      if (!server.listening) await listen();
    },
    close: goAway,
  };
}

function replace(chunk: Buffer, old: Buffer, fresh: Buffer): Buffer {
  const at = chunk.indexOf(old);
  return Buffer.concat([chunk.subarray(0, at), fresh, chunk.subarray(at + old.length)]);
}
