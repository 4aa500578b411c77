import { Type } from 'typebox';
import { PurserError } from '../errors.ts';
import {
  type Command,
  type DebitCommand,
  type HoldCommand,
  MAX_AMOUNT,
  type Outcome,
} from '../ledger/core/command.ts';
import type { OperationUse } from '../ledger/core/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { costOf, OPERATION_QUANTITY, type PriceList } from '../price-list.ts';
import { Amount } from './schemas.ts';

const OperationName = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'What of the price list it is for, instead of a number of credits.',
  examples: ['render'],
});

/** How much of an operation. Decimals are texts: a JSON number is a binary fraction for most. */
const Quantity = Type.Union(
  [
    Type.Integer({ minimum: 1, maximum: 999_999_999_999 }),
    Type.String({ pattern: OPERATION_QUANTITY }),
  ],
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
interface Price {
  readonly amount: number;
  readonly operation: OperationUse | null;
}

/** A price, or an operation that has none, and what to say of it; its `amount` means nothing. */
export type Quote = Price | (Price & { readonly problem: PurserError });

/**
 * Posts what has a price; of what has none, see `replay`.
 * @throws PurserError as `ledger.post` does, and the price's problem
 */
export function postPriced(
  ledger: Ledger,
  quote: Quote,
  makeCommand: (price: Price) => DebitCommand | HoldCommand,
): Promise<Outcome> {
  const { amount, operation } = quote;
  const command = makeCommand({ amount, operation });
  return 'problem' in quote ? replay(ledger, command, quote.problem) : ledger.post(command);
}

/**
 * Of what has no price, because the price list has changed since, or is another on this server, an
 * Idempotency-Key still brings the first answer back.
 * @throws PurserError as `ledger.replay` does, and the price's problem
 */
export async function replay(
  ledger: Ledger,
  command: Command,
  problem: PurserError,
): Promise<Outcome> {
  const first = await ledger.replay(command);
  if (first === null) throw problem;
  return first;
}

/**
 * Finds out what a request costs. Throws 400 unless it names either credits or an operation.
 * @param field what the body calls a number of credits
 * @param amount the credits that it names
 */
export function priceOf(
  prices: PriceList,
  field: 'delta' | 'units',
  amount: number | undefined,
  { operation, quantity }: AskedPrice,
): Quote {
  if ((amount === undefined) === (operation === undefined)) {
    throw invalid(field, `Send either \`${field}\` or \`operation\`.`);
  }
  if (operation === undefined) {
    if (quantity !== undefined) throw invalid('quantity', 'A `quantity` needs an `operation`.');
    return { amount: amount as number, operation: null };
  }
  const cost = costOf(prices, operation, quantity ?? 1);
  const price = {
    amount: cost.amount ?? 0,
    operation: { name: operation, quantity: cost.quantity },
  };
  if (cost.amount === null) return { ...price, problem: new PurserError('unknown_operation') };
  if (cost.amount <= MAX_AMOUNT) return price;
  const problem = invalid('quantity', `That would cost more than ${MAX_AMOUNT} credits.`);
  return { ...price, problem };
}

function invalid(field: string, message: string): PurserError {
  return new PurserError('invalid_request', { message, fields: { field } });
}
