/**
 * Items as the columns that `unnest` makes rows of again: one statement for all, whose text is the
 * same however many there are.
 */
export function columnsOf<Item>(
  items: readonly Item[],
  ...readers: readonly ((item: Item) => unknown)[]
): readonly (readonly unknown[])[] {
  return readers.map((read) => items.map(read));
}
