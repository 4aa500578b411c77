import { Type } from 'typebox';
import { PurserError } from '../errors.ts';
import { MAX_AMOUNT } from '../ledger/core/command.ts';
import type { OperationUse } from '../ledger/core/entry.ts';
import { costOf, type PriceList } from '../price-list.ts';
import { Amount } from './schemas.ts';

const OperationName = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'What of the price list it is for, instead of a number of credits.',
  examples: ['render'],
});

/** How much of an operation. Decimals are texts: a JSON number is a binary fraction for most. */
const Quantity = Type.Union(
  [Type.Integer({ minimum: 1, maximum: 999_999_999_999 }), Type.String({ maxLength: 22 })],
  {
    description: 'How much of it: a whole number, or a decimal as a text. 1 when left out.',
    examples: [3, '0.25'],
  },
);

/** How a body names an operation instead of credits. */
export const operationFields = {
  operation: Type.Optional(OperationName),
  quantity: Type.Optional(Quantity),
};

/** How a body says what something costs: by credits, or by an operation and its quantity. */
export const priceFields = { units: Type.Optional(Amount), ...operationFields };

interface AskedPrice {
  readonly operation?: string | undefined;
  readonly quantity?: number | string | undefined;
}

/** What a command is about to cost, and for which operation, if one was named. */
export interface Price {
  readonly amount: number;
  readonly operation: OperationUse | null;
}

/**
 * Finds out what a request costs. Throws 400 unless it names either credits or an operation, and 422
 * when the price list does not know that.
 * @param field what the body calls a number of credits
 * @param amount the credits that it names
 */
export function priceOf(
  prices: PriceList,
  field: 'delta' | 'units',
  amount: number | undefined,
  { operation, quantity }: AskedPrice,
): Price {
  if ((amount === undefined) === (operation === undefined)) {
    throw invalid(field, `Send either \`${field}\` or \`operation\`.`);
  }
  if (operation === undefined) {
    if (quantity !== undefined) throw invalid('quantity', 'A `quantity` needs an `operation`.');
    return { amount: amount as number, operation: null };
  }
  const cost = costOf(prices, operation, quantity ?? 1);
  if (!cost.ok && cost.problem === 'unknown_operation') throw new PurserError(cost.problem);
  if (!cost.ok) {
    const what = 'must be above 0: a whole number, or a decimal text with at most 9 places';
    throw invalid('quantity', `The field \`quantity\` ${what}.`);
  }
  if (cost.amount > MAX_AMOUNT) {
    throw invalid('quantity', `That would cost more than ${MAX_AMOUNT} credits.`);
  }
  return { amount: cost.amount, operation: { name: operation, quantity: cost.quantity } };
}

function invalid(field: string, message: string): PurserError {
  return new PurserError('invalid_request', { message, fields: { field } });
}
