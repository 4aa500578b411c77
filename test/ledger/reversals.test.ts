import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capture, debit, grant, hold, lot, reverse, settlePayment } from '../support/commands.ts';
import { createLedgerStage, type LedgerStage } from '../support/ledger-stage.ts';
import { createLife, DAY, START } from '../support/life.ts';

let stage: LedgerStage;
beforeAll(async () => {
  stage = await createLedgerStage();
});
afterAll(() => stage.end());

describe('a reversal', () => {
  test('gives back a debit in parts, never more than it took', async () => {
    const { ledger, refusalOf, figures } = stage;
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
    const { ledger, other, refusalOf } = stage;
    await ledger.post(grant('kim', 10));
    await ledger.post(debit('kim', 10));
    const tries = Array.from({ length: 20 }, (_, i) =>
      refusalOf(i % 2 ? ledger : other, reverse('kim', 2, 3)),
    );
    expect((await Promise.all(tries)).filter((code) => code === null)).toHaveLength(3);
    expect((await ledger.balance('kim')).balance).toBe(9);
  });

  test('is of a debit or a capture, and of this account', async () => {
    const { ledger, refusalOf } = stage;
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

  test('loses nothing to an expiry, though its credits were reinstated before they were clawed back', () => {
    const life = createLife();
    const expiresAt = START + DAY;
    life.post(grant('u', 1, { grants: [lot(10, { expiresAt })], grantKey: 'cs_a' }));
    life.reverse('cs_a', 100, 100);
    life.post(settlePayment('u', 'cs_a'));
    life.reverse('cs_a', 100, 0);
    life.post(settlePayment('u', 'cs_a'));
    life.post(debit('u', 10));
    life.post(grant('u', 10));
    life.reverse('cs_a', 100, 100);
    life.post(settlePayment('u', 'cs_a'));
    life.wait(2);
    life.post(reverse('u', 4));
    expect(life.account()).toMatchObject({ balance: 10, lots: [{ expiresAt: null, free: 10 }] });
  });

  test.each([
    ['the payment that joined the lot was clawed back', 'cs_b', 100, 10],
    ['the payment that opened it was', 'cs_a', 100, 1],
    ['a part of it was', 'cs_b', 30, 3],
  ])('spares from expiry what other credits stood in for: %s', (_, payment, reversed, spared) => {
    const life = createLife({ openLots: 3, openHolds: 1 });
    const expiresAt = START + DAY;
    for (const days of [0.5, 0.6]) {
      life.post(grant('u', 1, { grants: [lot(1, { expiresAt: START + days * DAY })] }));
    }
    life.post(grant('u', 1, { grants: [lot(1, { expiresAt })], grantKey: 'cs_a' }));
    life.post(grant('u', 1, { grants: [lot(10, { expiresAt })], grantKey: 'cs_b' }));
    expect(life.account().lots).toHaveLength(3);
    life.post(debit('u', 13));
    life.post(grant('u', 20));
    life.reverse(payment, 100, reversed);
    life.post(settlePayment('u', payment));
    expect(life.account().balance).toBe(20 - spared);
    life.wait(2);
    // In two parts, of which the second must not be spared again.
    life.post(reverse('u', 5, 4));
    life.post(reverse('u', 5, 7));
    expect(life.account()).toMatchObject({ balance: 20 });
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
    const { ledger, other } = stage;
    await ledger.post(grant('mia', 10));
    await ledger.post(debit('mia', 6));
    const back = reverse('mia', 2, 3, { idempotencyKey: 'back' });
    const first = await ledger.post(back);
    expect(await other.post(back)).toEqual({ ...first, replayed: true });
    expect((await ledger.balance('mia')).balance).toBe(7);
  });

  test('that comes together with what it gives back finds the lots that drew', async () => {
    const { ledger } = stage;
    const expiresAt = Date.now() + DAY;
    const terms = { category: 'bonus', expiresAt } as const;
    await ledger.post(grant('nia', 1, { grants: [lot(10, terms)] }));
    await ledger.post(hold('nia', 'job', 10));
    // The first keeps the lane busy, so that the others travel in one batch.
    const [, ...outcomes] = await Promise.all(
      [debit('ned', 1), capture('nia', 'job'), reverse('nia', 3), debit('nia', 4)].map(ledger.post),
    );
    expect(outcomes).toMatchObject([{ ok: true }, { ok: true }, { ok: true }]);
    expect((await ledger.balance('nia')).lots).toMatchObject([{ seq: 1, ...terms, free: 6 }]);
  });
});
