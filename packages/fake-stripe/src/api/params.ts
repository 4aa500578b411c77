import type { Metadata } from '../objects/object.ts';
import { Refusal } from '../refusal.ts';
import type { Form } from './form.ts';

/** What is at `path`, as a text or as a map; undefined when it is not there. */
function at(form: Form, path: readonly string[]): Form | string | undefined {
  return path.reduce<Form | string | undefined>(
    (here, key) => (typeof here === 'object' ? here[key] : undefined),
    form,
  );
}

/** How Stripe's messages name a parameter: `a[b]`. */
const nameOf = ([head, ...rest]: readonly string[]) =>
  `${head}${rest.map((key) => `[${key}]`).join('')}`;

export function text(form: Form, ...path: string[]): string | undefined {
  const value = at(form, path);
  return typeof value === 'string' ? value : undefined;
}

/** @throws Refusal when it is missing or empty */
export function needText(form: Form, ...path: string[]): string {
  const value = text(form, ...path);
  if (value) return value;
  const param = nameOf(path);
  throw new Refusal(`Missing required param: ${param}.`, { code: 'parameter_missing', param });
}

/** An empty text, which the client sends for null, is null. */
export function nullable(form: Form, ...path: string[]): string | null | undefined {
  const value = text(form, ...path);
  return value === '' ? null : value;
}

export function integer(form: Form, ...path: string[]): number | undefined {
  const value = text(form, ...path);
  if (value === undefined) return undefined;
  if (/^-?\d{1,15}$/.test(value)) return Number(value);
  const param = nameOf(path);
  throw new Refusal(`Invalid integer: ${value}`, { code: 'parameter_invalid_integer', param });
}

/** @throws Refusal when it is not a whole number from `minimum` on */
export function atLeast(minimum: number, form: Form, ...path: string[]): number | undefined {
  const value = integer(form, ...path);
  if (value === undefined || value >= minimum) return value;
  throw new Refusal(`This value must be greater than or equal to ${minimum}.`, {
    code: 'parameter_invalid_integer',
    param: nameOf(path),
  });
}

export function boolean(form: Form, ...path: string[]): boolean | undefined {
  const value = text(form, ...path);
  if (value === undefined) return undefined;
  if (value === 'true' || value === 'false') return value === 'true';
  throw new Refusal(`Invalid boolean: ${value}`, { param: nameOf(path) });
}

export function oneOf<T extends string>(
  allowed: readonly T[],
  form: Form,
  ...path: string[]
): T | undefined {
  const value = text(form, ...path);
  if (value === undefined || allowed.includes(value as T)) return value as T | undefined;
  const param = nameOf(path);
  throw new Refusal(`Invalid ${param}: must be one of ${allowed.join(', ')}`, { param });
}

/** @throws Refusal when it is not an http(s) URL: others are a danger on a page */
export function webAddress(form: Form, ...path: string[]): string | undefined {
  const value = text(form, ...path);
  if (value === undefined) return undefined;
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return value;
  throw new Refusal('Not a valid URL', { code: 'url_invalid', param: nameOf(path) });
}

/** A map inside the form; empty when it is not there. */
export function map(form: Form, ...path: string[]): Form {
  const value = at(form, path);
  return typeof value === 'object' ? value : {};
}

/** The items of a list; a text among them stands as it is. */
export function list(form: Form, ...path: string[]): (Form | string)[] {
  return Object.values(map(form, ...path));
}

/**
 * Metadata with the changes of the form: a value that is empty removes its key, and an empty text
 * instead of a map removes all.
 * @see https://docs.stripe.com/api/metadata
 */
export function metadata(form: Form, before: Metadata = {}, ...path: string[]): Metadata {
  const where = path.length === 0 ? ['metadata'] : path;
  if (text(form, ...where) === '') return {};
  const merged = new Map(Object.entries(before));
  for (const [key, value] of Object.entries(map(form, ...where))) {
    if (typeof value !== 'string' || key.length > 40 || value.length > 500) {
      throw new Refusal(`Metadata keys have up to 40 characters and values up to 500: ${key}`, {
        param: 'metadata',
      });
    }
    if (value === '') merged.delete(key);
    else merged.set(key, value);
  }
  if (merged.size > 50) throw new Refusal('Metadata has up to 50 keys.', { param: 'metadata' });
  return Object.fromEntries(merged);
}

/** @throws Refusal when the form has a parameter that the route does not know */
export function checkKnown(form: Form, known: readonly string[]): void {
  const unknown = Object.keys(form).find((key) => key !== 'expand' && !known.includes(key));
  if (unknown === undefined) return;
  throw new Refusal(`Received unknown parameter: ${unknown}`, {
    code: 'parameter_unknown',
    param: unknown,
  });
}

/** The fields of a form that were given, for a change. */
export function given<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<T>;
}
