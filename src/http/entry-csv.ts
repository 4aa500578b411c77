import type { Static } from 'typebox';
import type { StatementEntry } from './schemas.ts';

type Row = Static<typeof StatementEntry>;

const COLUMNS = [
  ...['seq', 'created_at', 'kind', 'delta', 'balance', 'held', 'reason', 'ref', 'operation'],
  ...['quantity', 'hold_id', 'lot', 'draws', 'reverses_seq', 'expires_at', 'payment', 'actor'],
  ...['metadata', 'id'],
] as readonly (keyof Row)[];

/** The names of the columns, the first record of every file. */
export const CSV_HEADER = `${COLUMNS.join(',')}\r\n`;

/** An entry as one record of RFC 4180; what is null is empty. */
export function toCsv(entry: Row): string {
  return `${COLUMNS.map((column) => toCell(entry[column])).join(',')}\r\n`;
}

/** What a spreadsheet takes for a formula, when a cell begins with it. (OWASP, "CSV Injection") */
const FORMULA = /^\s*[=+\-@＝＋－＠]|^[\t\r\n]/;
const SPECIAL = /[",\r\n]/;

function toCell(value: Row[keyof Row]): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const harmless = FORMULA.test(text) ? `'${text}` : text;
  return SPECIAL.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
