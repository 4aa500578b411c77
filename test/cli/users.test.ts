import { expect, onTestFinished, test } from 'vitest';
import { payTwo } from '../stripe/payments/shared-intent.ts';
import { createTestDatabase } from '../support/database.ts';
import { attemptAgain } from '../support/inbox.ts';
import { runPurser } from '../support/process.ts';
import { startStripeStage, until } from '../support/stripe.ts';

test('users revoke-sessions writes the moment down, for a user who can be one', async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const env = { DATABASE_URL: database.url };
  const { code, stdout } = await runPurser(['users', 'revoke-sessions', 'google:1'], { env });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^google:1: tokens from before \d{4}-.*Z are revoked\.\n$/);
  const rows = () =>
    database.sql("SELECT user_id, now() - valid_after < '1 minute' AS fresh FROM session_cutoffs");
  expect(await rows()).toEqual([{ user_id: 'google:1', fresh: true }]);

  for (const args of [[], [''], [' ada'], ['x'.repeat(256)], ['ada', 'bob']]) {
    const wrong = await runPurser(['users', 'revoke-sessions', ...args], { env });
    expect({ args, code: wrong.code, stdout: wrong.stdout }).toEqual({ args, code: 2, stdout: '' });
  }
  expect(await rows()).toHaveLength(1);

  const help = await runPurser(['users']);
  expect(help.stdout).toMatch(/^ {2}revoke-sessions {2}sign a user out/m);
}, 60_000);

test('users link gives parked payments their user, and what the customer pays later', async () => {
  const stage = await startStripeStage();
  onTestFinished(() => stage.close());
  const env = { DATABASE_URL: stage.db.url };
  const link = (...args: string[]) => runPurser(['users', 'link', ...args], { env });
  const pay = async (about: object) => {
    const { id } = stage.fake.createSession({ lines: [{ price: 'price_pack' }], ...about });
    const event = stage.fake.completeSession(id);
    await stage.deliver(event);
    return { id, event };
  };
  const guest = await pay({});
  const known = await pay({ customer: 'cus_1' });
  for (const { event } of [guest, known]) {
    expect(await stage.stored(event)).toMatchObject({ state: 'parked', reason: 'unknown user' });
  }
  await stage.db.sql(`UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour'`);
  expect(await link('ada', guest.id, 'cus_1')).toMatchObject({
    ...{ code: 0, stderr: '' },
    stdout: `${guest.id} is ada’s.\ncus_1 is ada’s.\n`,
  });
  await stage.receiver.start();
  for (const { event } of [guest, known]) {
    await until(async () => (await stage.stored(event))?.state === 'done');
  }
  const later = await pay({ customer: 'cus_1' });
  expect((await stage.stored(later.event))?.state).toBe('done');
  expect(await stage.balanceOf('ada')).toBe(300);

  expect(await link('bob', 'cus_1', 'sub_1')).toMatchObject({
    code: 1,
    stdout: 'sub_1 is bob’s.\n',
    stderr: 'cus_1 belongs to another user.\n',
  });
  const named = await pay({ userId: 'cy' });
  expect(await link('bob', named.id), 'what was granted by its metadata').toMatchObject({
    code: 1,
    stderr: `${named.id} belongs to another user.\n`,
  });
  expect(await link('cy', named.id)).toMatchObject({ code: 0, stdout: `${named.id} is cy’s.\n` });
  for (const args of [
    ['ada'],
    ['', 'cus_2'],
    ['ada', 'evt_1'],
    ['ada', 'cus_'],
    ['ada', 'cus_2;'],
  ]) {
    const { code, stdout } = await link(...args);
    expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
  }
}, 60_000);

test('users link takes whichever name of a payment the operator has', async () => {
  const stage = await startStripeStage();
  onTestFinished(() => stage.close());
  const { fake, deliver } = stage;
  const pack = { lines: [{ price: 'price_pack' }] };
  const buy = (about: object) => fake.completeSession(fake.createSession({ ...pack, ...about }).id);
  const [byIntent, byReceipt] = [buy({ customer: 'cus_1' }), buy({ invoice: 'in_1' })];
  const start = { mode: 'subscription', customer: 'cus_3', subscription: 'sub_3' } as const;
  const bySession = fake.createSession({ ...start, lines: [{ price: 'price_plan' }] });
  const mark = fake.events().length;
  const started = fake.completeSession(bySession.id);
  const paid = fake
    .events()
    .slice(mark)
    .find(({ type }) => type === 'invoice.paid');
  if (!paid) throw new Error('nothing was paid');
  expect(await deliver(started)).toBe('ignored');
  for (const event of [byIntent, byReceipt, paid])
    expect(await deliver({ ...event })).toBe('parked');
  await stage.db.sql(
    "UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour' WHERE state = 'parked'",
  );
  const intent = String(byIntent.data.object['payment_intent']);
  const names = [intent, 'in_1', bySession.id];
  const env = { DATABASE_URL: stage.db.url };
  expect(await runPurser(['users', 'link', 'ada', ...names], { env })).toMatchObject({
    ...{ code: 0, stderr: '' },
    stdout: [...names, 'sub_3'].map((id) => `${id} is ada’s.\n`).join(''),
  });
  await stage.receiver.start();
  for (const event of [byIntent, byReceipt, paid]) {
    await until(async () => (await stage.stored(event))?.state === 'done');
  }
  expect(await stage.balanceOf('ada')).toBe(1200);
  // A payment’s own name says nothing of what its customer pays next.
  expect(await deliver(buy({ customer: 'cus_1' }))).toBe('parked');
  expect(await deliver(fake.payInvoice({ ...start, ...pack }))).toBe('done');
});

test.each([true, false])(
  'users link takes the payment intent of an invoice that does not name it: told before, %s',
  async (isTold) => {
    const stage = await startStripeStage();
    onTestFinished(() => stage.close());
    const { fake, deliver, balanceOf } = stage;
    const about = { customer: 'cus_1', subscription: 'sub_1', lines: [{ price: 'price_plan' }] };
    const mark = fake.events().length;
    const paid = fake.payInvoice(about);
    const named = fake
      .events()
      .slice(mark)
      .find(({ type }) => type === 'invoice_payment.paid');
    if (!named) throw new Error('no payment is told');
    const { payment_intent: intent } = named.data.object['payment'] as { payment_intent: string };
    expect(await deliver(paid)).toBe('parked');
    const invoice = String(paid.data.object.id);
    const env = { DATABASE_URL: stage.db.url };
    const link = () => runPurser(['users', 'link', 'ada', intent], { env });
    if (isTold) expect(await deliver({ ...named })).toBe('done');
    await stage.db.sql(
      "UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour' WHERE state = 'parked'",
    );
    const said = (isTold ? [intent, invoice] : [intent]).map((id) => `${id} is ada’s.\n`).join('');
    expect(await link()).toMatchObject({ code: 0, stderr: '', stdout: said });
    if (!isTold) expect(await deliver({ ...named })).toBe('done');
    expect((await stage.stored(paid))?.due_in).toBeLessThanOrEqual(0);
    await attemptAgain(stage);
    expect(await balanceOf('ada')).toBe(1000);
    expect(await deliver(fake.payInvoice(about))).toBe('parked');
  },
  60_000,
);

test('users link takes a charge of which only a refund tells whose invoice it paid', async () => {
  const stage = await startStripeStage();
  onTestFinished(() => stage.close());
  const { fake, deliver } = stage;
  const about = { customer: 'cus_1', subscription: 'sub_1', lines: [{ price: 'price_plan' }] };
  const paid = fake.payInvoice(about);
  expect(await deliver(paid)).toBe('parked');
  await stage.db.sql(
    "UPDATE stripe_events SET next_attempt_at = now() + interval '1 hour' WHERE state = 'parked'",
  );
  const charge = fake.store.need('invoice', String(paid.data.object.id)).charge ?? '';
  const env = { DATABASE_URL: stage.db.url };
  const linked = await runPurser(['users', 'link', 'ada', charge], { env });
  expect(linked).toMatchObject({ code: 0, stderr: '', stdout: `${charge} is ada’s.\n` });
  const { events } = fake.refundPayment(charge, { amount: 1 });
  for (const event of events.filter(({ type }) => type === 'refund.created')) await deliver(event);
  expect((await stage.stored(paid))?.due_in).toBeLessThanOrEqual(0);
  await attemptAgain(stage);
  expect(await stage.stored(paid)).toMatchObject({ state: 'done' });
}, 60_000);

test('users link by a payment intent that paid somebody else’s invoice, too, leaves that theirs', async () => {
  const stage = await startStripeStage();
  onTestFinished(() => stage.close());
  const { first, second, paymentIntent } = payTwo(stage, 'bob');
  for (const event of [first.named, first.paid, second.named]) await stage.deliver({ ...event });
  const env = { DATABASE_URL: stage.db.url };
  const { code, stderr } = await runPurser(['users', 'link', 'ada', paymentIntent], { env });
  expect(code).toBe(1);
  expect(stderr).toContain(`${first.paid.data.object.id} belongs to another user.`);
  expect(await stage.deliver({ ...second.paid })).toBe('done');
  expect(await stage.balanceOf('bob')).toBe(2000);
  expect(await stage.balanceOf('ada')).toBe(0);
}, 60_000);

test('users link takes the session of a subscription before it is told', async () => {
  const stage = await startStripeStage();
  onTestFinished(() => stage.close());
  const { fake, deliver } = stage;
  const start = { mode: 'subscription', customer: 'cus_1', subscription: 'sub_1' } as const;
  const session = fake.createSession({ ...start, lines: [{ price: 'price_plan' }] });
  const mark = fake.events().length;
  const started = fake.completeSession(session.id);
  const paid = fake
    .events()
    .slice(mark)
    .find(({ type }) => type === 'invoice.paid');
  if (!paid) throw new Error('nothing was paid');
  const env = { DATABASE_URL: stage.db.url };
  expect(await runPurser(['users', 'link', 'ada', session.id], { env })).toMatchObject({
    ...{ code: 0, stderr: '', stdout: `${session.id} is ada’s.\n` },
  });
  expect(await deliver(started)).toBe('done');
  expect(await deliver({ ...paid })).toBe('done');
  expect(await stage.balanceOf('ada')).toBe(1000);
  // The customer was not linked, nor is it now.
  const other = { customer: 'cus_1', subscription: 'sub_2', lines: [{ price: 'price_plan' }] };
  expect(await deliver(fake.payInvoice(other))).toBe('parked');
}, 60_000);
