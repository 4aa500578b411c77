/**
 * Whether Postgres can store `text` as it is: UTF-8 has no lone surrogates, and a text value holds
 * no NUL. One such parameter fails the whole statement (22021), so it is checked at the door.
 */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
