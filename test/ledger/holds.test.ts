import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Command } from '../../src/ledger/command.ts';
import { createLedger, type Ledger } from '../../src/ledger/ledger.ts';
import { verifyLedger } from '../../src/ledger/verify.ts';
import {
  capture,
  debit,
  grant,
  hold,
  lot,
  release,
  reverse,
  settlePayment,
} from '../support/commands.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createLife, DAY, START } from '../support/life.ts';

const HOUR = 3_600_000;

let database: TestDatabase;
let ledger: Ledger;
/** The same ledger as another process sees it, and as it is two hours later. */
let other: Ledger;
let later: Ledger;
beforeAll(async () => {
  database = await createTestDatabase();
  const { url, pool } = database;
  ledger = createLedger({ url, pool });
  other = createLedger({ url, pool });
  later = createLedger({ url, pool, clockOffset: 2 * HOUR });
});
afterAll(async () => {
  expect(await verifyLedger(database.pool)).toMatchObject({ faults: [] });
  for (const one of [ledger, other, later]) {
    expect(one.counts.lockViolations).toBe(0);
    await one.close();
  }
  await database.drop();
});

const refusalOf = async (on: Ledger, command: Command) => {
  const outcome = await on.post(command);
  return outcome.ok ? null : outcome.refusal.code;
};
const figures = async (on: Ledger, userId: string) => {
  const { balance, held, available } = await on.balance(userId);
  return { balance, held, available };
};

describe('a hold', () => {
  test('reserves credits without spending them, and nothing else can spend them', async () => {
    await ledger.post(grant('ada', 10));
    expect(await ledger.post(hold('ada', 'job', 7))).toMatchObject({
      ok: true,
      entry: { kind: 'hold', delta: 0, balance: 10, held: 7, holdId: 'job' },
    });
    expect(await figures(ledger, 'ada')).toEqual({ balance: 10, held: 7, available: 3 });
    expect(await ledger.post(debit('ada', 4))).toMatchObject({
      refusal: { code: 'insufficient_credits', balance: 10, available: 3, required: 4 },
    });
    expect(await refusalOf(ledger, hold('ada', 'more', 4))).toBe('insufficient_credits');
  });

  test('that is captured in part lets the rest go in the same entry', async () => {
    await ledger.post(grant('bob', 10));
    await ledger.post(hold('bob', 'job', 7));
    expect(await ledger.post(capture('bob', 'job', 5))).toMatchObject({
      ok: true,
      entry: { kind: 'capture', delta: -5, balance: 5, held: 0 },
    });
    expect(await figures(ledger, 'bob')).toEqual({ balance: 5, held: 0, available: 5 });
  });

  test('ends once: whatever comes second is told how it ended', async () => {
    await ledger.post(grant('cid', 30));
    for (const id of ['captured', 'released']) await ledger.post(hold('cid', id, 10));
    await ledger.post(capture('cid', 'captured'));
    await ledger.post(release('cid', 'released'));
    for (const again of [capture, release]) {
      expect(await refusalOf(ledger, again('cid', 'captured'))).toBe('hold_captured');
      expect(await refusalOf(ledger, again('cid', 'released'))).toBe('hold_released');
      expect(await refusalOf(ledger, again('cid', 'unheard'))).toBe('hold_not_found');
      expect(await refusalOf(ledger, again('nobody', 'captured'))).toBe('hold_not_found');
    }
    expect(await refusalOf(ledger, hold('cid', 'released', 1))).toBe('hold_exists');
    expect(await figures(ledger, 'cid')).toEqual({ balance: 20, held: 0, available: 20 });
  });

  test('is captured once, though ten callers on two processes try at the same time', async () => {
    await ledger.post(grant('dan', 10));
    await ledger.post(hold('dan', 'job', 6));
    const tries = Array.from({ length: 10 }, (_, i) =>
      refusalOf(i % 2 ? ledger : other, capture('dan', 'job', 6)),
    );
    const refusals = await Promise.all(tries);
    expect(refusals.filter((code) => code === null)).toHaveLength(1);
    expect(refusals.filter((code) => code === 'hold_captured')).toHaveLength(9);
    expect(await figures(ledger, 'dan')).toEqual({ balance: 4, held: 0, available: 4 });
  });

  test('opened, captured and released in one batch ends as in that order', async () => {
    await ledger.post(grant('eve', 10));
    const outcomes = await Promise.all(
      // The first keeps the lane busy, so that the others travel together.
      [debit('eve', 1), hold('eve', 'h', 5), capture('eve', 'h', 2), release('eve', 'h')].map(
        (command) => refusalOf(ledger, command),
      ),
    );
    expect(outcomes).toEqual([null, null, null, 'hold_captured']);
  });

  test('of which more is captured than it reserved takes the rest from free credits if asked', async () => {
    await ledger.post(grant('fay', 10));
    await ledger.post(hold('fay', 'job', 4));
    expect(await ledger.post(capture('fay', 'job', 6))).toMatchObject({
      refusal: { code: 'capture_exceeds_hold', held: 4, required: 6 },
    });
    expect(await ledger.post(capture('fay', 'job', 11, { beyond: true }))).toMatchObject({
      refusal: { code: 'insufficient_credits', available: 6, required: 7 },
    });
    await ledger.post(capture('fay', 'job', 6, { beyond: true }));
    expect(await figures(ledger, 'fay')).toEqual({ balance: 4, held: 0, available: 4 });
  });

  test('can be captured by a debtor, but a debtor opens no other', () => {
    const life = createLife();
    life.post(grant('u', 50, { grantKey: 'cs_a' }));
    life.post(hold('u', 'job', 30));
    life.post(debit('u', 20));
    life.reverse('cs_a', 100, 100);
    life.post(settlePayment('u', 'cs_a'));
    expect(life.account()).toMatchObject({ balance: -20, held: 30, debt: 50 });
    expect(life.post(hold('u', 'next', 1))).toMatchObject({ ok: false });
    expect(life.post(capture('u', 'job', 12))).toMatchObject({ ok: true });
    // The 18 that were released have paid their part of the debt.
    expect(life.account()).toMatchObject({ balance: -32, held: 0, debt: 32 });
  });

  test('whose time has come is released, and never captured', async () => {
    await ledger.post(grant('gus', 10));
    await ledger.post(hold('gus', 'job', 7, { seconds: 3_600 }));
    expect(await figures(later, 'gus')).toEqual({ balance: 10, held: 0, available: 10 });
    expect(await refusalOf(later, capture('gus', 'job'))).toBe('hold_expired');
    expect(await refusalOf(later, release('gus', 'job'))).toBe('hold_expired');
    expect(await later.post(debit('gus', 10))).toMatchObject({ ok: true, entry: { balance: 0 } });
  });

  test('keeps its part of a lot that expires meanwhile; released, it expires at once', () => {
    const life = createLife();
    const expiresAt = START + DAY;
    life.post(grant('u', 1, { grants: [lot(10, { expiresAt }), lot(5)] }));
    life.post(hold('u', 'kept', 4, { seconds: 5 * 86_400 }));
    life.post(hold('u', 'let go', 2, { seconds: 5 * 86_400 }));
    life.wait(2);
    expect(life.post(release('u', 'let go'))).toMatchObject({ ok: true });
    expect(life.account()).toMatchObject({ balance: 9, held: 4 });
    expect(life.post(capture('u', 'kept'))).toMatchObject({ ok: true });
    expect(life.account()).toMatchObject({ balance: 5, held: 0 });
    expect(life.history.filter(({ kind }) => kind === 'expiry').map(({ delta }) => delta)).toEqual([
      -4, -2,
    ]);
  });

  test('is one of a bounded number', async () => {
    const { url, pool } = database;
    const strict = createLedger({ url, pool, limits: { openLots: 200, openHolds: 2 } });
    await strict.post(grant('hal', 10));
    for (const id of ['a', 'b']) await strict.post(hold('hal', id, 1));
    expect(await strict.post(hold('hal', 'c', 1))).toMatchObject({
      refusal: { code: 'too_many_holds', limit: 2 },
    });
    await strict.post(release('hal', 'a'));
    expect(await refusalOf(strict, hold('hal', 'c', 1))).toBeNull();
    await strict.close();
  });

  test('with a key is opened, captured and released once, and a repeat hears the first answer', async () => {
    await ledger.post(grant('ida', 10));
    const opened = hold('ida', null, 4, { idempotencyKey: 'open' });
    const first = await ledger.post(opened);
    expect(await other.post(opened)).toEqual({ ...first, replayed: true });
    if (!first.ok || first.entry.holdId === null) throw new Error('it was not opened');
    const ended = capture('ida', first.entry.holdId, 3, { idempotencyKey: 'end' });
    const captured = await ledger.post(ended);
    expect(await other.post(ended)).toEqual({ ...captured, replayed: true });
    const changed = capture('ida', first.entry.holdId, 2, { idempotencyKey: 'end' });
    expect(await refusalOf(ledger, changed)).toBe('idempotency_conflict');
    expect(await figures(ledger, 'ida')).toEqual({ balance: 7, held: 0, available: 7 });
  });
});

describe('a reversal', () => {
  test('gives back a debit in parts, never more than it took', async () => {
    await ledger.post(grant('jon', 10));
    await ledger.post(debit('jon', 6));
    expect(await ledger.post(reverse('jon', 2, 4))).toMatchObject({
      ok: true,
      entry: { kind: 'reversal', delta: 4, balance: 8, reversesSeq: 2 },
    });
    expect(await ledger.post(reverse('jon', 2, 3))).toMatchObject({
      refusal: { code: 'reversal_exceeds_entry', reversible: 2 },
    });
    expect(await refusalOf(ledger, reverse('jon', 2))).toBeNull();
    expect(await ledger.post(reverse('jon', 2))).toMatchObject({
      refusal: { code: 'reversal_exceeds_entry', reversible: 0 },
    });
    expect(await figures(ledger, 'jon')).toEqual({ balance: 10, held: 0, available: 10 });
  });

  test('never gives back more, though two processes do it at the same time', async () => {
    await ledger.post(grant('kim', 10));
    await ledger.post(debit('kim', 10));
    const tries = Array.from({ length: 20 }, (_, i) =>
      refusalOf(i % 2 ? ledger : other, reverse('kim', 2, 3)),
    );
    expect((await Promise.all(tries)).filter((code) => code === null)).toHaveLength(3);
    expect((await ledger.balance('kim')).balance).toBe(9);
  });

  test('is of a debit or a capture, and of this account', async () => {
    await ledger.post(grant('leo', 10));
    await ledger.post(hold('leo', 'job', 5));
    await ledger.post(capture('leo', 'job', 5));
    expect(await refusalOf(ledger, reverse('leo', 1))).toBe('not_reversible');
    expect(await refusalOf(ledger, reverse('leo', 2))).toBe('not_reversible');
    expect(await refusalOf(ledger, reverse('leo', 9))).toBe('entry_not_found');
    expect(await refusalOf(ledger, reverse('nobody', 3))).toBe('entry_not_found');
    expect(await refusalOf(ledger, reverse('leo', 3))).toBeNull();
    expect((await ledger.balance('leo')).balance).toBe(10);
  });

  test('gives to the lots that were drawn, the newest draw first, and opens used up ones again', () => {
    const life = createLife();
    const soon = START + DAY;
    life.post(grant('u', 1, { grants: [lot(5, { category: 'bonus', expiresAt: soon }), lot(9)] }));
    life.post(debit('u', 8));
    life.post(reverse('u', 3, 4));
    expect(life.account().lots).toMatchObject([
      { seq: 1, category: 'bonus', expiresAt: soon, free: 1 },
      { seq: 2, free: 9 },
    ]);
    life.post(reverse('u', 3));
    expect(life.account().lots).toMatchObject([
      { seq: 1, free: 5 },
      { seq: 2, free: 9 },
    ]);
    life.wait(2);
    life.postDue();
    expect(life.account()).toMatchObject({ balance: 9 });
  });

  test('to a lot that has expired is given and expires at once', () => {
    const life = createLife();
    life.post(grant('u', 1, { grants: [lot(5, { expiresAt: START + DAY }), lot(9)] }));
    life.post(debit('u', 5));
    life.wait(2);
    life.post(reverse('u', 3));
    expect(life.history.slice(-2)).toMatchObject([
      { kind: 'reversal', delta: 5, balance: 14 },
      { kind: 'expiry', delta: -5, balance: 9 },
    ]);
  });

  test('pays the debt with what was drawn last, and the rest goes to the lots', () => {
    const life = createLife();
    life.post(grant('u', 1, { grants: [lot(10, { category: 'bonus' })] }));
    life.post(grant('u', 10));
    life.post(grant('u', 6, { grantKey: 'cs_a' }));
    life.post(debit('u', 20));
    life.post(debit('u', 6));
    life.reverse('cs_a', 100, 100);
    life.post(settlePayment('u', 'cs_a'));
    expect(life.account().debt).toBe(6);
    // 10 of lot 2 come first: 6 pay the debt. Then come 2 of lot 1.
    life.post(reverse('u', 4, 12));
    expect(life.account()).toMatchObject({
      debt: 0,
      lots: [
        { seq: 1, free: 2 },
        { seq: 2, free: 4 },
      ],
    });
  });

  test('of credits whose payment was clawed back opens a lot that never expires', () => {
    const life = createLife();
    const expiresAt = START + DAY;
    life.post(grant('u', 1, { grants: [lot(10, { expiresAt })], grantKey: 'cs_a' }));
    life.post(grant('u', 10));
    life.post(debit('u', 10));
    life.reverse('cs_a', 100, 100);
    life.post(settlePayment('u', 'cs_a'));
    expect(life.account().balance).toBe(0);
    life.post(reverse('u', 3));
    expect(life.account().lots).toMatchObject([
      { category: 'purchase', expiresAt: null, free: 10 },
    ]);
  });

  test('joins a lot of the same terms when the account has as many lots as it may', () => {
    const life = createLife({ openLots: 2, openHolds: 1 });
    life.post(grant('u', 3));
    life.post(debit('u', 3));
    life.post(grant('u', 1, { grants: [lot(4), lot(5, { category: 'bonus' })] }));
    life.post(reverse('u', 2));
    expect(life.account().lots).toMatchObject([
      { seq: 3, free: 7 },
      { seq: 4, free: 5 },
    ]);
  });

  test('repeated with its key gives back once', async () => {
    await ledger.post(grant('mia', 10));
    await ledger.post(debit('mia', 6));
    const back = reverse('mia', 2, 3, { idempotencyKey: 'back' });
    const first = await ledger.post(back);
    expect(await other.post(back)).toEqual({ ...first, replayed: true });
    expect((await ledger.balance('mia')).balance).toBe(7);
  });
});

describe('an account with very many lots', () => {
  const limits = { openLots: 3, openHolds: 1 };
  const distinct = (i: number) => ({
    grants: [lot(1, { expiresAt: START + (9 + i) * DAY })] as const,
  });

  test('refuses another one that nobody paid for, and takes one that was paid for', () => {
    const life = createLife(limits);
    for (let i = 0; i < 3; i++) life.post(grant('u', 1, distinct(i)));
    expect(life.post(grant('u', 1, distinct(3)))).toEqual({
      ok: false,
      refusal: { code: 'too_many_lots', limit: 3 },
    });
    expect(life.post(grant('u', 1, { ...distinct(3), grantKey: 'cs_a' }))).toMatchObject({
      ok: true,
    });
    // The same terms as an open lot have always a place.
    expect(life.post(grant('u', 1, distinct(1)))).toMatchObject({ ok: true });
    expect(life.account().lots).toHaveLength(4);
  });

  test('spends the lowest priority first, whatever expires sooner', () => {
    const life = createLife();
    const grants = [lot(5, { expiresAt: START + DAY }), lot(5, { priority: -1 })] as const;
    life.post(grant('u', 1, { grants }));
    life.post(debit('u', 6));
    expect(life.account().lots).toMatchObject([{ seq: 1, free: 4 }]);
  });
});
