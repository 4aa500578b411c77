import type { StripeObject } from '../objects/object.ts';
import type { Kind, RecordOf } from '../objects/render.ts';
import { missing, Refusal } from '../refusal.ts';
import { type FieldOf, isIndexed } from '../store.ts';
import type { Form } from './form.ts';
import { atLeast, checkKnown, map, text } from './params.ts';
import { type Call, type ListAnswer, show } from './route.ts';

/** What a list may be filtered by: for each parameter the field that it is compared with. */
type Filters<K extends Kind> = Readonly<Record<string, keyof RecordOf<K>>>;

export const PAGING = ['limit', 'starting_after', 'ending_before'];

export interface Listing<K extends Kind> {
  readonly filters?: Filters<K>;
  /** Which of them are in the list at all. */
  readonly where?: (record: RecordOf<K>) => boolean;
  /** Parameters that `where` has looked at. */
  readonly known?: readonly string[];
}

/** Records of a kind, newest first, as they pass the filters. */
export function listRecords<K extends Kind>(
  call: Call,
  kind: K,
  { filters = {}, where = () => true, known = [] }: Listing<K> = {},
): ListAnswer {
  const { form, world } = call;
  checkKnown(form, [...PAGING, 'created', ...Object.keys(filters), ...known]);
  const wanted = Object.entries(filters).flatMap(([name, field]) => {
    const value = text(form, name);
    return value === undefined ? [] : [{ field, value }];
  });
  const first = wanted.find(({ field }) => isIndexed(kind, field));
  const candidates = first
    ? world.store.naming(kind, first.field as unknown as FieldOf<K>, first.value)
    : world.store.all(kind);
  const created = createdFilter(form);
  const found = candidates.filter(
    (record) =>
      created(record.created) &&
      wanted.every(({ field, value }) => String(record[field] ?? '') === value) &&
      where(record),
  );
  return page(call, found.reverse(), (record) => show(call, record));
}

/** `created=1`, or `created[gte]=1` and the like. */
export function createdFilter(form: Form): (created: number) => boolean {
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
  const limit = pageSize(form);
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

/** @throws Refusal when it is not between 1 and 100 */
export function pageSize(form: Form): number {
  const limit = atLeast(1, form, 'limit') ?? 10;
  if (limit > 100) {
    throw new Refusal('This value must be less than or equal to 100.', {
      code: 'parameter_invalid_integer',
      param: 'limit',
    });
  }
  return limit;
}
