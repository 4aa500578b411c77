/** Bounds of what an account has open, so that the state which every transaction writes is small. */
export interface Limits {
  /**
   * From here on a grant joins the newest lot of its terms; one that finds none is refused, unless
   * it was paid for.
   */
  readonly openLots: number;
  readonly openHolds: number;
}

export const DEFAULT_LIMITS: Limits = { openLots: 200, openHolds: 100 };
