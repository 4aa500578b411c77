import { createServer, type Server, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { send } from '../../src/alerts/send.ts';

/** Answers on the wire, beyond what an HTTP server would say. Returns its URL. */
async function answering(answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${address && typeof address === 'object' ? address.port : 0}/`;
}

/** Sends with no time-out of its own: the answer alone must end it. */
const sendTo = (url: string) =>
  send({ url, headers: {}, body: '{}' }, { allowsPrivate: true }, new AbortController().signal);

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';

test.each([
  ['an upgrade', `HTTP/1.1 101 Switching Protocols\r\n${UPGRADE}\r\n`],
  ['an upgrade to nothing', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
])('%s is an answer like any other, and no success', async (_, answer) => {
  const url = await answering((socket) => socket.write(answer));
  expect(await sendTo(url)).toEqual({ status: 101, problem: null });
});

test.each([
  ['no word of HTTP', 'hello\r\n\r\n', 'HPE_INVALID_CONSTANT'],
  ['headers without end', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(40_000)}`, 'HPE_HEADER_OVERFLOW'],
])('%s is a failed connection', async (_, answer, code) => {
  const url = await answering((socket) => socket.write(answer));
  expect(await sendTo(url)).toEqual({ status: null, problem: `the connection failed: ${code}` });
});

test('a connection that is closed without an answer has failed', async () => {
  const url = await answering((socket) => socket.end());
  expect(await sendTo(url)).toEqual({ status: null, problem: 'the connection failed: ECONNRESET' });
});

test('a body that is announced and never comes is not waited for', async () => {
  const url = await answering((socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc'),
  );
  expect(await sendTo(url)).toEqual({ status: 200, problem: null });
});

test('of a body without end no more is taken than a little', async () => {
  const piece = Buffer.alloc(64 * 1024);
  let poured = 0;
  const url = await answering((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const pour = () => {
      while (!socket.destroyed && socket.write(piece)) poured += piece.length;
    };
    socket.on('drain', pour);
    pour();
  });
  expect(await sendTo(url)).toEqual({ status: 200, problem: null });
  // What the buffers of the connection hold comes on top; without the limit it is gigabytes.
  expect(poured).toBeLessThan(64 * 1024 * 1024);
});
