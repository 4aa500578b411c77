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

/**
 * How long to wait after so many attempts have failed, in milliseconds; null when it is enough.
 * @param random from 0 to 1
 */
export function pauseAfter(failed: number, random: number): number | null {
  const pause = PAUSES[failed - 1];
  return pause === undefined ? null : Math.round(pause * (1 + JITTER * (2 * random - 1)));
}
