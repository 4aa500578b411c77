import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StripeEvent } from '../../packages/fake-stripe/src/events.ts';
import { makeDue, purchase } from '../support/inbox.ts';
import { runPurser } from '../support/process.ts';
import { publishPrices, type StripeStage, startStripeStage, until } from '../support/stripe.ts';

let stage: StripeStage;
let granted: StripeEvent;
let waiting: StripeEvent;
let renamed: StripeEvent;

beforeAll(async () => {
  stage = await startStripeStage();
  granted = purchase(stage, 'ann');
  waiting = purchase(stage, 'bob', 'price_new');
  renamed = { ...purchase(stage, 'cyn'), id: 'evt_renamed', type: 'price.updated' };
  for (const event of [granted, waiting, renamed]) await stage.deliver(event);
});
afterAll(() => stage.close());

const events = (...args: string[]) =>
  runPurser(['events', ...args], { env: { DATABASE_URL: stage.db.url } });

describe('list', () => {
  test('shows the latest first, with what there is to say, in at most 120 columns', async () => {
    const { code, stdout, stderr } = await events('list');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.split(/\s{2,}/).slice(0, 3))).toEqual([
      ['event', 'type', 'state'],
      [renamed.id, 'price.updated', 'ignored'],
      ['', 'events of this type have no effect'],
      [waiting.id, 'checkout.session.completed', 'parked'],
      ['', expect.stringMatching(/^unknown price price_new; 1 attempt, (next in \d+ s|due now)$/)],
      [granted.id, 'checkout.session.completed', 'done'],
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(120);
    expect(lines[1]).toMatch(/ {2}\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}\d+ (s|min)$/);
    expect(stdout).not.toContain('ann');
  });

  test('narrows by state, type and age, and speaks JSON', async () => {
    const ids = async (...args: string[]) => {
      const { stdout, code } = await events('list', '--json', ...args);
      expect(code).toBe(0);
      return JSON.parse(stdout).map(({ id }: { id: string }) => id);
    };
    expect(await ids('--state', 'parked')).toEqual([waiting.id]);
    expect(await ids('--type', 'checkout.session', '--limit', '1')).toEqual([waiting.id]);
    expect(await ids('--type', 'checkout.sess')).toEqual([]);
    expect(await ids('--since', '1h', '--state', 'done')).toEqual([granted.id]);
    expect(await ids('--since', '2999-01-01')).toEqual([]);
    const { stdout } = await events('list', '--json', '--state', 'ignored');
    expect(JSON.parse(stdout)).toMatchObject([
      { id: renamed.id, type: 'price.updated', state: 'ignored', attempts: 1 },
    ]);
    expect(stdout).toMatch(/"received_at": "\d{4}-\d\d-\d\dT[\d:.]+Z"/);
    expect(stdout).not.toContain('payload');
  });
});

test('show tells what became of an event, and its payload only when asked', async () => {
  const { code, stdout } = await events('show', granted.id);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^state +done$/m);
  expect(stdout).toMatch(/^entry +\+100 purchase for ann$/m);
  expect(stdout).toMatch(/^received +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, \d+ (s|min) ago$/m);
  expect(stdout).not.toContain('metadata');
  const whole = await events('show', granted.id, '--payload');
  expect(whole.stdout.endsWith(`\n\n${JSON.stringify(granted)}\n`)).toBe(true);
  const nothing = await events('show', 'evt_unknown');
  expect(nothing).toMatchObject({ code: 1, stderr: 'purser: There is no event evt_unknown.\n' });
});

describe('retry', () => {
  test('without a server says that none has taken the event up', async () => {
    const { code, stdout } = await events('retry', waiting.id);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: 'It is due, but no server has taken it up: none seems to run. The next one will.\n',
    });
  });

  test('beside a server has the event attempted within a second, and tells the end', async () => {
    const event = purchase(stage, 'dee', 'price_late');
    const held = purchase(stage, 'dee', 'price_never');
    for (const one of [event, held]) expect(await stage.deliver(one)).toBe('parked');
    // So that the price does not wake them: the command shall.
    await stage.db.sql(
      `UPDATE stripe_events SET waits_for = NULL, next_attempt_at = now() + interval '1 hour'
        WHERE id IN ($1, $2)`,
      [event.id, held.id],
    );
    await publishPrices(stage.db, new Map([['price_late', 70]]));
    await stage.receiver.start();
    const { code, stdout } = await events('retry', '--parked', '--reason', 'price_late');
    expect({ code, stdout: stdout.split(/\s{2,}|\n/) }).toEqual({
      code: 0,
      stdout: [event.id, event.type, 'done', ''],
    });
    expect(await stage.balanceOf('dee')).toBe(70);
    expect(await stage.stored(held)).toMatchObject({ attempts: 1 });
    const again = await events('retry', held.id);
    expect(again.code).toBe(1);
    expect(again.stdout).toMatch(/parked +unknown price price_never/);
  });

  test('of what is done needs a reason, and grants nothing more', async () => {
    const refused = await events('retry', granted.id, 'evt_unknown');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toBe(
      `${granted.id}: it is done; to attempt it all the same, say why with --why.\n` +
        'evt_unknown: there is no such event.\n',
    );
    const { code, stdout } = await events('retry', granted.id, '--why', 'a customer asks');
    expect(code).toBe(0);
    expect(stdout).toMatch(/done +it had been granted before/);
    expect(await stage.balanceOf('ann')).toBe(100);
  });
});

describe('ignore', () => {
  test('keeps who, why and when, and no attempt changes it any more', async () => {
    const { code, stdout } = await events(
      ...['ignore', waiting.id, '--why', 'paid by hand', '--by', 'eve'],
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${waiting.id} is ignored.\n` });
    expect(await stage.stored(waiting)).toMatchObject({
      state: 'ignored',
      reason: 'ignored by eve: paid by hand',
      due_in: null,
    });
    await publishPrices(stage.db, new Map([['price_new', 1]]));
    expect(await stage.deliver(waiting)).toBe('ignored');
    const again = await events('ignore', waiting.id, granted.id, '--why', 'once more');
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toBe(
      `${waiting.id}: it is ignored already: ignored by eve: paid by hand.\n` +
        `${granted.id}: it is done, and what it did stays; the ledger corrects a balance.\n`,
    );
  });

  test('can be taken back by a retry', async () => {
    const { code } = await events('retry', waiting.id);
    expect(code).toBe(0);
    await until(async () => (await stage.balanceOf('bob')) === 1);
  });
});

test('an event whose payload has been removed is shown as that, and not attempted', async () => {
  await stage.db.sql(
    'UPDATE stripe_events SET payload = NULL, payload_removed_at = now() WHERE id = $1',
    [renamed.id],
  );
  const { stdout } = await events('show', renamed.id, '--payload');
  expect(stdout).toMatch(/^payload +removed \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, \d+ s ago$/m);
  const { code, stderr } = await events('retry', renamed.id);
  expect(code).toBe(1);
  expect(stderr).toContain('its payload has been removed');
  await expect(makeDue(stage, renamed)).rejects.toThrow(/check/);
});

test.each<readonly [string[], RegExp]>([
  [['lose'], /there is no command "events lose".*Usage: purser events <command>/s],
  [
    ['list', '--state', 'lost'],
    /--state is one of received, parked.*See `purser events list --help`\.\n$/s,
  ],
  [['list', '--since', 'yesterday'], /--since is an age such as 7d/],
  [['list', '--limit', '0'], /--limit is a whole number from 1/],
  [['show'], /Name 1 event\..*See `purser events show --help`\.\n$/s],
  [['retry'], /Name events, or say --parked/],
  [['retry', 'evt_1', '--parked'], /Name events, or say --parked/],
  [['ignore', 'evt_1'], /Say why, with --why.*See `purser events ignore --help`\.\n$/s],
  [['ignore', 'evt_1', '--why', ' '], /--why is a text/],
])('a wrong use is exit code 2, and names the help: events %j', async (args, said) => {
  const { code, stdout, stderr } = await events(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(said);
});

test('to ask for help is none', async () => {
  for (const args of [[], ['--help'], ['retry', '--help']]) {
    const { code, stdout, stderr } = await events(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: purser events/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  }
});
