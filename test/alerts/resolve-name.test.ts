import { createSocket } from 'node:dgram';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { resolveName } from '../../src/alerts/resolve-name.ts';

const [A, AAAA] = [1, 28];

/** What the name server was asked, by record type. */
const asked: number[] = [];
/** The addresses that it has; of a record type that is not here it says nothing at all. */
let known: ReadonlyMap<number, Buffer> = new Map();

const server = createSocket('udp4').on('message', (query, from) => {
  const type = query.readUInt16BE(query.indexOf(0, 12) + 1);
  asked.push(type);
  const address = known.get(type);
  if (address) server.send(answerTo(query, type, address), from.port);
});
await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
afterAll(() => server.close());
beforeEach(() => {
  asked.length = 0;
});

/** One record for the name of the question (RFC 1035, section 4). */
function answerTo(query: Buffer, type: number, address: Buffer): Buffer {
  const header = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
  const question = query.subarray(12, query.indexOf(0, 12) + 5);
  const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, address.length]);
  return Buffer.concat([header, question, record, address]);
}

const resolve = (hostname: string) => resolveName(hostname, [`127.0.0.1:${server.address().port}`]);
const FOUR = Buffer.from([192, 0, 2, 7]);
const SIX = Buffer.from('20010db8000000000000000000000007', 'hex');

test('a name has the addresses of both families', async () => {
  known = new Map([
    [A, FOUR],
    [AAAA, SIX],
  ]);
  expect(await resolve('hooks.example.com')).toEqual(['192.0.2.7', '2001:db8::7']);
});

test.each([
  ['IPv6', new Map([[A, FOUR]]), AAAA, '192.0.2.7'],
  ['IPv4', new Map([[AAAA, SIX]]), A, '2001:db8::7'],
])(
  'a name server that is silent about %s is not asked for it again',
  async (_, has, type, found) => {
    known = has;
    expect(await resolve('hooks.example.com')).toEqual([found]);
    expect(asked.filter((one) => one === type)).toHaveLength(1);
  },
);

test('localhost and what is below it are this machine, and no name server is asked', async () => {
  for (const name of ['localhost', 'localhost.', 'app.localhost', 'app.localhost.']) {
    expect(await resolve(name)).toEqual(['127.0.0.1', '::1']);
  }
  expect(asked).toEqual([]);
  known = new Map([[A, FOUR]]);
  expect(await resolve('notlocalhost')).toEqual(['192.0.2.7']);
});
