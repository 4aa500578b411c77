import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLedger } from '../../src/ledger/ledger.ts';
import { capture, debit, grant, hold, lot, release, settlePayment } from '../support/commands.ts';
import { createLedgerStage, type LedgerStage } from '../support/ledger-stage.ts';
import { createLife, DAY, START } from '../support/life.ts';

let stage: LedgerStage;
beforeAll(async () => {
  stage = await createLedgerStage();
});
afterAll(() => stage.end());

describe('a hold', () => {
  test('reserves credits without spending them, and nothing else can spend them', async () => {
    const { ledger, refusalOf, figures } = stage;
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

  test('lives from when its entry says that it was opened, also where the clock lags behind', async () => {
    const { ledger, later } = stage;
    const given = await later.post(grant('ann', 10));
    const opened = await ledger.post(hold('ann', 'job', 7, { seconds: 60 }));
    if (!given.ok || !opened.ok) throw new Error('the ledger refused');
    expect(opened.entry.createdAt).toBe(given.entry.createdAt);
    expect(opened.entry.expiresAt).toBe(given.entry.createdAt + 60_000);
  });

  test('that is captured in part lets the rest go in the same entry', async () => {
    const { ledger, figures } = stage;
    await ledger.post(grant('bob', 10));
    await ledger.post(hold('bob', 'job', 7));
    expect(await ledger.post(capture('bob', 'job', 5))).toMatchObject({
      ok: true,
      entry: { kind: 'capture', delta: -5, balance: 5, held: 0 },
    });
    expect(await figures(ledger, 'bob')).toEqual({ balance: 5, held: 0, available: 5 });
  });

  test('ends once: whatever comes second is told how it ended', async () => {
    const { ledger, refusalOf, figures } = stage;
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
    const { ledger, other, refusalOf, figures } = stage;
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
    const { ledger, refusalOf } = stage;
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
    const { ledger, figures } = stage;
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
    const { ledger, later, refusalOf, figures } = stage;
    await ledger.post(grant('gus', 10));
    await ledger.post(hold('gus', 'job', 7, { seconds: 3_600 }));
    expect(await figures(later, 'gus')).toEqual({ balance: 10, held: 0, available: 10 });
    expect(await refusalOf(later, capture('gus', 'job'))).toBe('hold_expired');
    expect(await refusalOf(later, release('gus', 'job'))).toBe('hold_expired');
    expect(await later.post(debit('gus', 10))).toMatchObject({ ok: true, entry: { balance: 0 } });
  });

  test('that the system lets go by a request of its own was released, and has not expired', () => {
    const life = createLife();
    life.post(grant('u', 10));
    life.post(hold('u', 'job', 7));
    life.post(release('u', 'job', { actor: 'system', idempotencyKey: 'k' }));
    expect(life.post(capture('u', 'job'))).toMatchObject({ refusal: { code: 'hold_released' } });
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
    const { database, refusalOf } = stage;
    const strict = createLedger({ ...database, limits: { openLots: 200, openHolds: 2 } });
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
    const { ledger, other, refusalOf, figures } = stage;
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
