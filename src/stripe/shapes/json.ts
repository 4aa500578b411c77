import { isStorable } from '../../db/text.ts';

/** A JSON object of which nothing is known yet. */
export type Json = Readonly<Record<string, unknown>>;

/** Whether `value` is a JSON object: not null, not an array. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at `path` inside nested objects; undefined as soon as a step is missing. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (!isObject(here) || !Object.hasOwn(here, key)) return undefined;
    here = here[key];
  }
  return here;
}

/** Stripe's ids are opaque texts of at most 255 characters. (docs.stripe.com/upgrades) */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 255 && isStorable(value);
}

/** The id of a field that holds an id, or the whole object when it was expanded; else null. */
export function idOf(value: unknown): string | null {
  const id = isObject(value) ? at(value, 'id') : value;
  return isId(id) ? id : null;
}

/** A whole number that JSON carried exactly, or null. */
export function wholeNumber(value: unknown): number | null {
  return Number.isSafeInteger(value) ? (value as number) : null;
}
