import { PurserError } from './errors.ts';

/** A bound on what lasts: how many there may be at once, in all and of one caller. */
export interface Places {
  /**
   * Takes a place. Throws `overloaded` or `rate_limited` when there is none.
   * @returns what gives it back, once
   */
  readonly take: (caller: string) => () => void;
}

/** How many seconds who found no place should wait. */
const RETRY_AFTER = { 'retry-after': '10' } as const;

interface PlacesOptions {
  /** What takes them, such as `open streams`. */
  readonly of: string;
  /** The places that there are. */
  readonly all: number;
  /** Those of one caller. */
  readonly perCaller: number;
}

export function createPlaces({ of, all, perCaller }: PlacesOptions): Places {
  const callers = new Map<string, number>();
  let taken = 0;

  return {
    take(caller) {
      if (taken >= all) {
        const message = `This server has as many ${of} as it may; try again.`;
        throw new PurserError('overloaded', { message, headers: RETRY_AFTER });
      }
      const own = callers.get(caller) ?? 0;
      if (own >= perCaller) {
        const message = `There are ${perCaller} ${of} of this account already; end one, or wait.`;
        throw new PurserError('rate_limited', { message, headers: RETRY_AFTER });
      }
      taken += 1;
      callers.set(caller, own + 1);
      let isTaken = true;
      return () => {
        if (!isTaken) return;
        isTaken = false;
        taken -= 1;
        const left = (callers.get(caller) ?? 1) - 1;
        if (left === 0) callers.delete(caller);
        else callers.set(caller, left);
      };
    },
  };
}
