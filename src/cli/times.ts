import { UsageError } from './command.ts';

/** A moment as it is printed: UTC, in whole seconds. */
export function utc(moment: number): string {
  return new Date(moment).toISOString().replace(/\.\d+Z$/, 'Z');
}

const UNITS = [
  ['day', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** A duration in words, by its largest unit: `3 h`, `2 days`; what is below a second is `0 s`. */
export function inWords(milliseconds: number): string {
  const [unit, length] = UNITS.find(([, one]) => milliseconds >= one) ?? ['s', 1_000];
  const count = Math.max(0, Math.floor(milliseconds / length));
  return `${count} ${unit}${unit === 'day' && count !== 1 ? 's' : ''}`;
}

const AGES = { d: 86_400_000, h: 3_600_000, m: 60_000 } as const;

/**
 * Reads `--since`: an age such as `7d`, `36h` or `30m`, or a moment such as `2026-11-24` or
 * `2026-11-24T10:00:00Z`; what names no zone is UTC.
 * @returns milliseconds since 1970
 */
export function readSince(text: string, now: number): number {
  const moment = readMoment(text, (age) => now - age);
  if (moment !== null) return moment;
  throw new UsageError('--since is an age such as 7d, 36h or 30m, or a moment such as 2026-11-24.');
}

/**
 * Reads `--expires`: in how long, such as `90d`, or a moment, as `readSince` does.
 * @returns milliseconds since 1970, later than `now`
 */
export function readExpiry(text: string, now: number): number {
  const moment = readMoment(text, (age) => now + age);
  if (moment !== null && moment > now) return moment;
  throw new UsageError('--expires is a time to come: 90d, 36h, 30m, or a moment as 2027-11-24.');
}

function readMoment(text: string, fromAge: (age: number) => number): number | null {
  const age = /^(\d{1,6})([dhm])$/.exec(text);
  if (age) return fromAge(Number(age[1]) * AGES[age[2] as keyof typeof AGES]);
  const iso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  const moment = Date.parse(iso?.[1] && !iso[4] ? `${text}Z` : text);
  return iso && !Number.isNaN(moment) ? moment : null;
}
