import { PurserError } from '../errors.ts';

/** How many streams there may be, of one process and of one caller. */
export interface Places {
  /**
   * Takes a place. Throws `overloaded` or `rate_limited` when there is none.
   * @returns what gives it back, once
   */
  readonly take: (caller: string) => () => void;
}

/** How many seconds who found no place should wait. */
const RETRY_AFTER = { 'retry-after': '10' } as const;

/** @param most the places of the process, and those of one caller */
export function createPlaces(most: { readonly all: number; readonly perCaller: number }): Places {
  const callers = new Map<string, number>();
  let taken = 0;

  return {
    take(caller) {
      if (taken >= most.all) {
        const message = 'This server has as many open streams as it may; try again.';
        throw new PurserError('overloaded', { message, headers: RETRY_AFTER });
      }
      const own = callers.get(caller) ?? 0;
      if (own >= most.perCaller) {
        const message = `There are ${most.perCaller} open streams of this account already; close one.`;
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
