const [MINUTE, HOUR] = [60_000, 3_600_000];

/**
 * How long after each failed attempt the next one comes, in milliseconds: 4.8 days in all. An
 * endpoint that takes nothing is disabled before the last one (`DISABLE_AFTER`), whatever the
 * jitter: so that it still gets everything when it is enabled again.
 */
const PAUSES = [
  5_000,
  30_000,
  2 * MINUTE,
  10 * MINUTE,
  HOUR,
  3 * HOUR,
  6 * HOUR,
  9 * HOUR,
  24 * HOUR,
  24 * HOUR,
  24 * HOUR,
  24 * HOUR,
] as const;

/** How much earlier or later than planned, as a share: what failed together must not come together. */
const JITTER = 0.2;

/** The longest that an endpoint may ask for, in milliseconds. */
const MOST_ASKED = HOUR;

/**
 * How long to wait after so many attempts have failed, in milliseconds; null when it is enough.
 * @param random from 0 to 1
 * @param asked how long the endpoint wants to be left alone, in milliseconds; see `askedFor`
 */
export function pauseAfter(failed: number, random: number, asked = 0): number | null {
  const pause = PAUSES[failed - 1];
  if (pause === undefined) return null;
  const usual = pause * (1 + JITTER * (2 * random - 1));
  return Math.round(Math.max(usual, Math.min(asked, MOST_ASKED) * (1 + JITTER * random)));
}

/**
 * What a Retry-After asks for, in seconds or as a date, in milliseconds; 0 when it asks for nothing.
 * @param now in milliseconds since 1970
 * @see https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
 */
export function askedFor(retryAfter: string | undefined, now: number): number {
  if (retryAfter === undefined) return 0;
  const asked = /^\d+$/.test(retryAfter)
    ? Number(retryAfter) * 1_000
    : Date.parse(retryAfter) - now;
  return Math.max(0, asked || 0);
}
