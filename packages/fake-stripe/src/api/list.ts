import type { StripeObject } from '../objects/object.ts';
import type { AnyRecord } from '../objects/render.ts';
import { missing, Refusal } from '../refusal.ts';
import type { Form } from './form.ts';
import { atLeast, checkKnown, map, text } from './params.ts';
import { type Call, type ListAnswer, show } from './route.ts';

/** What a list may be filtered by: for each parameter, the text that an item has for it. */
export type Filters<T> = Readonly<Record<string, (item: T) => unknown>>;

interface Listed {
  readonly id: string;
  readonly created: number;
}

const PAGING = ['limit', 'starting_after', 'ending_before'];

/** Records of a kind, newest first, as they pass the filters. */
export function listRecords<R extends AnyRecord>(
  call: Call,
  records: readonly R[],
  filters: Filters<R> = {},
): ListAnswer {
  const found = filtered(call.form, records, filters).reverse();
  return page(call, found, (record) => show(call, record));
}

/** @see https://docs.stripe.com/api/pagination */
export function filtered<T extends Listed>(
  form: Form,
  items: readonly T[],
  filters: Filters<T>,
): T[] {
  checkKnown(form, [...PAGING, 'created', ...Object.keys(filters)]);
  const created = createdFilter(form);
  const wanted = Object.entries(filters).flatMap(([name, read]) => {
    const value = text(form, name);
    return value === undefined ? [] : [[read, value] as const];
  });
  return items.filter(
    (item) =>
      created(item.created) && wanted.every(([read, value]) => String(read(item) ?? '') === value),
  );
}

/** `created=1`, or `created[gte]=1` and the like. */
function createdFilter(form: Form): (created: number) => boolean {
  const exactly = text(form, 'created') === undefined ? undefined : atLeast(0, form, 'created');
  if (exactly !== undefined) return (created) => created === exactly;
  const range = map(form, 'created');
  checkKnown(range, ['gt', 'gte', 'lt', 'lte']);
  const [gt, gte] = [atLeast(0, range, 'gt'), atLeast(0, range, 'gte')];
  const [lt, lte] = [atLeast(0, range, 'lt'), atLeast(0, range, 'lte')];
  return (created) =>
    (gt === undefined || created > gt) &&
    (gte === undefined || created >= gte) &&
    (lt === undefined || created < lt) &&
    (lte === undefined || created <= lte);
}

/** One page of items that are in order, rendered. */
export function page<T extends { readonly id: string }>(
  { form, path }: Call,
  items: readonly T[],
  renderItem: (item: T) => StripeObject,
): ListAnswer {
  const limit = atLeast(1, form, 'limit') ?? 10;
  if (limit > 100) {
    throw new Refusal('This value must be less than or equal to 100.', {
      code: 'parameter_invalid_integer',
      param: 'limit',
    });
  }
  const [after, before] = [text(form, 'starting_after'), text(form, 'ending_before')];
  if (after !== undefined && before !== undefined) {
    throw new Refusal('You can only use one of starting_after and ending_before.');
  }
  const indexOf = (id: string, param: string) => {
    const index = items.findIndex((item) => item.id === id);
    if (index < 0) throw missing('item in this list', id, param);
    return index;
  };
  const start =
    before === undefined
      ? after === undefined
        ? 0
        : indexOf(after, 'starting_after') + 1
      : Math.max(0, indexOf(before, 'ending_before') - limit);
  const end = before === undefined ? start + limit : indexOf(before, 'ending_before');
  return {
    object: 'list',
    data: items.slice(start, end).map(renderItem),
    has_more: before === undefined ? end < items.length : start > 0,
    url: path,
  };
}
