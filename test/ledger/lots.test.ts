import { describe, expect, test } from 'vitest';
import { debit, grant, lot, reverse, settlePayment } from '../support/commands.ts';
import { createLife, DAY, START } from '../support/life.ts';

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

  test('opens none beyond the limit by reversals: what finds no place comes back without expiry', () => {
    const life = createLife(limits);
    let days = 0;
    const open = () => life.post(grant('u', 1, distinct(days++)));
    for (let round = 0; round < 4; round++) {
      const before = life.account().balance;
      while (life.account().lots.length < limits.openLots) open();
      life.post(debit('u', life.account().balance));
      const { seq } = life.account();
      for (let i = 0; i < limits.openLots; i++) open();
      life.post(reverse('u', seq));
      expect(life.account().lots.length).toBeLessThanOrEqual(limits.openLots + 1);
      expect(life.account().balance).toBeGreaterThan(before);
    }
    expect(life.account().lots.at(-1)).toMatchObject({ category: 'purchase', expiresAt: null });
  });

  test('counts the lots that a reversal opens again before it opens one for the rest', () => {
    const life = createLife({ openLots: 2, openHolds: 1 });
    const expiresAt = START + DAY;
    life.post(grant('u', 5));
    life.post(grant('u', 1, { grants: [lot(4, { expiresAt })], grantKey: 'cs_a' }));
    life.post(debit('u', 9));
    life.post(grant('u', 8));
    life.reverse('cs_a', 100, 50);
    life.post(settlePayment('u', 'cs_a'));
    life.post(reverse('u', 3));
    expect(life.account().lots).toMatchObject([
      { seq: 1, free: 5 },
      { seq: 4, free: 10 },
    ]);
  });
});
