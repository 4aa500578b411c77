import { expect, test } from 'vitest';
import { isRelease } from '../../../src/stripe/shapes/release.ts';

const charge = (amountCaptured: number | null) => ({
  ...{ id: 'ch_1', amount: 1000, amount_captured: amountCaptured, captured: amountCaptured !== 0 },
  status: 'succeeded',
});
const moved = (category: string) => ({ id: 'txn_1', reporting_category: category });

test.each([
  ['of a charge that is not told', { charge: 'ch_1' }, null],
  ['of no charge', { charge: null }, false],
  ['of a charge that was not captured', { charge: charge(0) }, true],
  ['of one that is not paid yet', { charge: { ...charge(0), status: 'pending' } }, false],
  ['of one that was captured in full', { charge: charge(1000) }, false],
  ['of one that does not say how much was captured', { charge: charge(null) }, false],
  [
    'that moved what was not captured',
    { balance_transaction: moved('partial_capture_reversal') },
    true,
  ],
  ['that moved what was', { balance_transaction: moved('refund') }, false],
  ['that moved nothing', {}, true],
  ['that moved nothing yet', { status: 'pending' }, null],
  ['of another amount than was not captured', { amount: 399, status: 'pending' }, false],
])('a refund %s: %o', (_, fields, expected) => {
  const refund = { id: 're_1', amount: 600, status: 'succeeded', balance_transaction: null };
  expect(isRelease({ ...refund, charge: charge(400), ...fields })).toBe(expected);
});
