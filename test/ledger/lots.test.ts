import { describe, expect, test } from 'vitest';
import { debit, grant, lot } from '../support/commands.ts';
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
});
