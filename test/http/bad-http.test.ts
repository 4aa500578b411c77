import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { expectEnvelope, startTestApp, type TestApp } from '../support/app.ts';
import { type RawAnswer, rawRequest, readAnswers } from './raw.ts';

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
});
afterAll(() => api.close());

const BODY = '{"delta":1}';
const CHUNKS = `b\r\n${BODY}\r\n0\r\n\r\n`;
const JSON_TYPE = 'Content-Type: application/json';
const LENGTH = `Content-Length: ${BODY.length}`;
const CHUNKED = 'Transfer-Encoding: chunked';
const CLOSE = 'Connection: close';

let user = '';
let users = 0;
beforeEach(async () => {
  users += 1;
  user = `user-${users}`;
  await api.give(user, 10);
});

async function send(request: Parameters<typeof rawRequest>[2], ...more: readonly string[]) {
  return readAnswers(await api.exchange(await rawRequest(api, user, request), ...more));
}

function expectError(answer: RawAnswer | undefined, status: number, code: string): void {
  expect(answer?.status, answer?.body).toBe(status);
  const body = JSON.parse(answer?.body ?? '');
  expect(body.error.code).toBe(code);
  expectEnvelope(body, answer?.headers['x-request-id']);
}

const expectUntouched = async () =>
  expect(await api.onRecord(user)).toEqual({ balance: 10, entries: 1 });

test.each([
  ['a chat', 'hello, is anybody there?\r\n\r\n'],
  ['TLS on a port without it', Buffer.from('1603010200010001fc0303', 'hex')],
  ['a version of HTTP that there is not', 'GET /livez HTTP/9.9\r\nHost: a\r\n\r\n'],
  ['HTTP/2 without being asked', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a header without a colon', 'GET /livez HTTP/1.1\r\nHost a\r\n\r\n'],
  ['a header with NUL', 'GET /livez HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'],
  ['a header over two lines', 'GET /livez HTTP/1.1\r\nX: a\r\n b\r\nHost : a\r\n\r\n'],
])('%s is told that it is no HTTP', async (_, bytes) => {
  const answers = readAnswers(await api.exchange(bytes));
  expect(answers).toHaveLength(1);
  expectError(answers[0], 400, 'invalid_request');
  expect(answers[0]?.body).toContain('This is not a valid HTTP request.');
});

test.each([
  ['an address of 20 KB', `GET /${'x'.repeat(20_480)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['a header of 20 KB', `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_480)}\r\n\r\n`],
  [
    'a token of 20 KB',
    `GET /livez HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${'x'.repeat(20_480)}\r\n\r\n`,
  ],
  ['thousands of headers', `GET /livez HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(4_000)}\r\n`],
])('%s is 431', async (_, bytes) => {
  expectError(readAnswers(await api.exchange(bytes))[0], 431, 'headers_too_large');
});

test.each([
  ['two lengths', [JSON_TYPE, LENGTH, 'Content-Length: 12'], BODY],
  ['two lengths that agree', [JSON_TYPE, LENGTH, LENGTH], BODY],
  ['a length that is no number', [JSON_TYPE, 'Content-Length: -11'], BODY],
  ['a length beside chunks', [JSON_TYPE, LENGTH, CHUNKED], CHUNKS],
  ['chunks that are none', [JSON_TYPE, CHUNKED], `zz\r\n${BODY}\r\n0\r\n\r\n`],
  ['an unknown coding', [JSON_TYPE, 'Transfer-Encoding: chunked, x'], BODY],
  ['a compressed transfer', [JSON_TYPE, 'Transfer-Encoding: gzip, chunked', CLOSE], CHUNKS],
  ['chunks twice over', [JSON_TYPE, CHUNKED, CHUNKED, CLOSE], CHUNKS],
  ['two types', [JSON_TYPE, JSON_TYPE, LENGTH, CLOSE], BODY],
  ['two types that differ', [JSON_TYPE, 'Content-Type: text/plain', LENGTH, CLOSE], BODY],
])('a debit with %s is refused', async (_, headers, body) => {
  const answers = await send({ headers, body });
  expect(answers).toHaveLength(1);
  expectError(answers[0], 400, 'invalid_request');
  await expectUntouched();
});

test('a debit with two Authorization headers is nobody’s', async () => {
  const more = `Authorization: Bearer ${await api.tokenOf(user)}`;
  const [answer] = await send({ headers: [more, JSON_TYPE, LENGTH, CLOSE], body: BODY });
  expectError(answer, 401, 'unauthorized');
  await expectUntouched();
});

test('a body in chunks is read up to the limit and no further', async () => {
  const chunk = `1000\r\n${' '.repeat(4_096)}\r\n`;
  const headers = [JSON_TYPE, CHUNKED];
  const small = await send({ headers: [...headers, CLOSE], body: CHUNKS });
  expect(small[0]?.status).toBe(200);
  const large = await send({ headers }, ...Array(40).fill(chunk), CHUNKS);
  expect(large).toHaveLength(1);
  expectError(large[0], 413, 'payload_too_large');
  expect(await api.onRecord(user)).toEqual({ balance: 9, entries: 2 });
});

test('garbage after a debit does not hide that it was carried out', async () => {
  const answers = await send({ headers: [JSON_TYPE, LENGTH], body: `${BODY}garbage` });
  expect(answers.map(({ status }) => status)).toEqual([200]);
  expect(answers[0]?.headers['connection']).toBe('close');
  expect(JSON.parse(answers[0]?.body ?? '').data.balance).toBe(9);
  expect(await api.onRecord(user)).toEqual({ balance: 9, entries: 2 });
});

test('two debits on one connection are two debits, answered in order', async () => {
  const first = await rawRequest(api, user, { headers: [JSON_TYPE, LENGTH], body: BODY });
  const last = await rawRequest(api, user, { headers: [JSON_TYPE, LENGTH, CLOSE], body: BODY });
  const answers = readAnswers(await api.exchange(first + last));
  expect(answers.map(({ body }) => JSON.parse(body).data.balance)).toEqual([9, 8]);
});

test('a debit whose sender hangs up in the middle of the body is not carried out', async () => {
  const { port } = api.app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  const [served] = (await once(api.app.server, 'connection')) as [Socket];
  const headers = [JSON_TYPE, LENGTH];
  socket.write(await rawRequest(api, user, { headers, body: BODY.slice(0, 5) }));
  await once(api.app.server, 'request');
  const gone = new Promise((resolve) => served.once('close', resolve));
  socket.resetAndDestroy();
  await gone;
  await expectUntouched();
});

test('a request that takes too long to arrive is 408', async () => {
  const { port } = api.app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  const [served] = (await once(api.app.server, 'connection')) as [Socket];
  // What Node does by itself after the 30 s of `requestTimeout`.
  const late = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
  api.app.server.emit('clientError', late, served);
  await once(socket, 'close');
  expectError(readAnswers(Buffer.concat(chunks).toString('latin1'))[0], 408, 'request_timeout');
  expect(api.app.server.requestTimeout).toBe(30_000);
});

const HEAD = 'GET /livez HTTP/1.1\r\nConnection: close\r\n';

test.each([
  ['no Host', '', 'The Host header is missing.'],
  ['two hosts', 'Host: a\r\nHost: b\r\n', 'Send one Host header, not several.'],
])('%s is 400', async (_, lines, message) => {
  const [answer] = readAnswers(await api.exchange(`${HEAD}${lines}\r\n`));
  expectError(answer, 400, 'invalid_request');
  expect(JSON.parse(answer?.body ?? '').error.message).toBe(message);
});

test('HTTP/1.0 needs no Host', async () => {
  const [answer] = readAnswers(await api.exchange('GET /livez HTTP/1.0\r\n\r\n'));
  expect(answer?.status).toBe(200);
});

test('an Expect that nobody can meet is 417, and nothing is carried out', async () => {
  const [answer] = await send({
    headers: [JSON_TYPE, LENGTH, 'Expect: 200-ok', CLOSE],
    body: BODY,
  });
  expectError(answer, 417, 'expectation_failed');
  await expectUntouched();
});

test('a body that waits for 100 Continue gets it', async () => {
  const answer = await send({
    headers: [JSON_TYPE, LENGTH, 'Expect: 100-continue', CLOSE],
    body: BODY,
  });
  expect(answer.map(({ status }) => status)).toContain(100);
  expect(await api.onRecord(user)).toEqual({ balance: 9, entries: 2 });
});

const CONNECT = 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n';

test('CONNECT is 405, and the connection is closed', async () => {
  const [answer] = readAnswers(await api.exchange(CONNECT));
  expectError(answer, 405, 'method_not_allowed');
  expect(answer?.headers['allow']).toBe('');
});

test('a CONNECT after a debit does not hide that it was carried out', async () => {
  const debit = await rawRequest(api, user, { headers: [JSON_TYPE, LENGTH], body: BODY });
  const [answer] = readAnswers(await api.exchange(debit + CONNECT));
  expect(answer?.status).toBe(200);
  expect(await api.onRecord(user)).toEqual({ balance: 9, entries: 2 });
});

test('the server still works after all of that', async () => {
  expect((await api.call('GET', '/healthz')).status).toBe(200);
});
