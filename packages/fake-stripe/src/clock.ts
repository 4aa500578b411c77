/** The fake's own time. */
export interface Clock {
  /** In seconds since 1970. */
  readonly now: () => number;
  /** Lets so many seconds pass at once. */
  readonly advance: (seconds: number) => void;
}

/** @param base in seconds since 1970; goes on by itself when it does */
export function createClock(base: () => number = () => Date.now() / 1000): Clock {
  let ahead = 0;
  return {
    now: () => Math.floor(base()) + ahead,
    advance(seconds) {
      if (!(seconds >= 0)) throw new RangeError('time only goes on');
      ahead += seconds;
    },
  };
}
