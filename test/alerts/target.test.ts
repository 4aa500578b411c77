import { describe, expect, test } from 'vitest';
import { send } from '../../src/alerts/send.ts';
import { checkUrl, isPublic } from '../../src/alerts/target.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';

describe('an address that the internet does not reach', () => {
  test.each([
    ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '127.0.0.1', '127.255.255.254'],
    ...['169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.2.1'],
    ...['192.88.99.1', '192.168.1.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
    ...['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'],
    ...['::', '::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '::127.0.0.1'],
    ...['64:ff9b::7f00:1', '64:ff9b:1::a00:1', '100::1', '2001::1', '2001:db8::1', '2002:7f00:1::'],
    // As the URL parser writes an IPv4 address in the old, compatible form.
    ...['::7f00:1', '::a9fe:a9fe', '::a00:1', '::808:808'],
    ...['100:0:0:1::1', '1fff::1', '4000::1', '5f00::1', '3fff::1', '2001:10::1', '2001:20::1'],
    ...['fc00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1'],
    ...['', 'localhost'],
  ])('is refused: %s', (address) => {
    expect(isPublic(address)).toBe(false);
  });

  test.each([
    ...['1.1.1.1', '8.8.8.8', '100.63.255.255', '172.32.0.1', '192.169.0.1', '223.255.255.254'],
    ...['2001:4860:4860::8888', '2606:4700::1111', '2a00:1450:4001::1', '::ffff:8.8.8.8'],
  ])('is none of these: %s', (address) => {
    expect(isPublic(address)).toBe(true);
  });
});

describe('the URL of an endpoint', () => {
  const strict = { allowsPrivate: false };

  test.each([
    ...[
      'app.example.com',
      'ftp://app.example.com',
      'file:///etc/passwd',
      `https://a.example/${'x'.repeat(2_048)}`,
    ],
    ...[
      'https://user:pass@app.example.com',
      'https://app.example.com/#part',
      'http://app.example.com',
    ],
    ...[
      'https://127.0.0.1',
      'https://[::1]',
      'https://2130706433',
      'https://0x7f.1',
      'https://017700000001',
    ],
    ...['https://[::127.0.0.1]', 'https://[::169.254.169.254]'],
    ...['https://[::ffff:10.0.0.1]', 'https://169.254.169.254/latest', 'https://10.1:8443'],
  ])('is refused: %s', (text) => {
    expect(() => checkUrl(text, strict)).toThrow();
  });

  test('may be private and plain http only where that is allowed', () => {
    for (const text of [
      'http://127.0.0.1:3000/hook',
      'http://app.internal/',
      'https://10.0.0.1/',
    ]) {
      expect(checkUrl(text, { allowsPrivate: true })).toBe(text);
      expect(() => checkUrl(text, strict)).toThrow(/WEBHOOK_PRIVATE_TARGETS=allow/);
    }
    expect(checkUrl('https://app.example.com/hook?a=b', strict)).toBe(
      'https://app.example.com/hook?a=b',
    );
  });
});

describe('a delivery', async () => {
  const receiver = await startWebhookReceiver();
  const url = receiver.url.replace('127.0.0.1', 'hooks.example.com');
  const anywhere = { url, allowsPrivate: true };
  const strict = { url: url.replace('http:', 'https:'), allowsPrivate: false };
  const message = { url, headers: {}, body: '{"type":"x","timestamp":"","data":{}}' };
  const asked: string[] = [];
  /** Leads to these addresses one after the other, as a name does that is bound anew each time. */
  const leadingTo =
    (...answers: readonly (readonly string[])[]) =>
    async (hostname: string) => {
      asked.push(hostname);
      return answers[asked.length - 1] ?? [];
    };
  const sendTo = (target: typeof strict, ...answers: readonly (readonly string[])[]) => {
    asked.length = 0;
    receiver.forget();
    const targets = { ...target, resolve: leadingTo(...answers) };
    return send({ ...message, url: target.url }, targets, AbortSignal.timeout(1_000));
  };

  test('goes to the address that was looked up, under the name that was asked for', async () => {
    expect(await sendTo(anywhere, ['127.0.0.1'])).toEqual({ status: 204, problem: null });
    expect(receiver.received[0]?.headers['host']).toMatch(/^hooks\.example\.com:/);
    expect(asked).toEqual(['hooks.example.com']);
  });

  test.each([[['127.0.0.1']], [['::ffff:127.0.0.1']], [['8.8.8.8', '127.0.0.1']]])(
    'to a name that leads to %j is refused before any connection',
    async (addresses) => {
      const { problem } = await sendTo(strict, addresses);
      expect(problem).toMatch(
        /^the target is refused: .*127\.0\.0\.1 is not an address on the inter/,
      );
      expect(receiver.connections()).toBe(0);
    },
  );

  test('by plain http is refused before its name is looked up, whenever it was stored', async () => {
    const { problem } = await sendTo({ ...strict, url }, ['127.0.0.1']);
    expect(problem).toMatch(/^the target is refused: it must be https; WEBHOOK_PRIVATE_TARGETS=/);
    expect(asked).toEqual([]);
    expect(receiver.connections()).toBe(0);
  });

  test('never asks twice, so that a name cannot lead elsewhere after it was checked', async () => {
    // The receiver listens at the second alone: whoever asks again, or tries another, reaches it.
    const { problem } = await sendTo(anywhere, ['::1'], ['127.0.0.1']);
    expect(problem).toMatch(/^the connection failed: /);
    expect(asked).toHaveLength(1);
    expect(receiver.connections()).toBe(0);
  });

  test('to a name that is not known fails, and says so', async () => {
    const targets = {
      allowsPrivate: false,
      resolve: async () => {
        throw Object.assign(new Error('queryA ENOTFOUND'), { code: 'ENOTFOUND' });
      },
    };
    const sent = await send({ ...message, url: strict.url }, targets, AbortSignal.timeout(1_000));
    expect(sent).toEqual({ status: null, problem: 'the connection failed: ENOTFOUND' });
  });

  test('to a receiver that says nothing ends when its time is over', async () => {
    receiver.answer(() => null);
    expect(
      await send(
        { ...message, url: receiver.url },
        { allowsPrivate: true },
        AbortSignal.timeout(50),
      ),
    ).toEqual({ status: null, problem: 'there was no answer in time' });
    await receiver.close();
  });
});
