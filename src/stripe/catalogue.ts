import { MAX_AMOUNT } from '../ledger/command.ts';
import { isId, isObject } from './json.ts';

/**
 * How many credits one unit of a price gives; 0 says: known, no credits. A Map, because price ids
 * are opaque texts and `__proto__` or `constructor` must not be found by accident.
 */
export type Catalogue = ReadonlyMap<string, number>;

/**
 * Reads `STRIPE_PRICE_TO_CREDITS_JSON`, such as `{"price_x": 100, "price_seat": 0}`.
 * @returns the catalogue, and every problem at once, for one refusal to boot
 */
export function parsePriceCredits(json: string): {
  readonly catalogue: Catalogue;
  readonly problems: readonly string[];
} {
  const nothing = new Map<string, number>();
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return { catalogue: nothing, problems: ['is not JSON'] };
  }
  if (!isObject(parsed)) {
    return { catalogue: nothing, problems: ['is not an object such as {"price_x": 100}'] };
  }
  const problems: string[] = [];
  const catalogue = new Map<string, number>();
  for (const [price, credits] of Object.entries(parsed)) {
    if (!isId(price)) problems.push('has a price id that is empty or longer than 255 characters');
    else if (isCredits(credits)) catalogue.set(price, credits);
    else problems.push(`${price}: credits must be a whole number from 0 to ${MAX_AMOUNT}`);
  }
  return { catalogue, problems };
}

function isCredits(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MAX_AMOUNT;
}
