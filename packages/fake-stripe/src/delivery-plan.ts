/** How the deliveries of events go wrong, or right. */
export interface DeliveryPlan {
  /** How often each event is sent; 1 when it is left out. */
  readonly times?: number;
  /** All at once instead of one after another. */
  readonly concurrently?: boolean;
  /** In random order, the repetitions too. */
  readonly shuffled?: boolean;
  /** These are lost at first, and sent again after all others. */
  readonly dropped?: (index: number) => boolean;
  /** Milliseconds before each delivery. */
  readonly delayed?: number;
  /** Between 0 and 1, for a test that can be replayed; Math.random when it is left out. */
  readonly random?: () => number;
}

/** The order in which a plan sends things, each as often as it says. */
export function inPlannedOrder<T>(things: readonly T[], plan: DeliveryPlan = {}): T[] {
  const { times = 1, shuffled = false, dropped = () => false, random = Math.random } = plan;
  const [first, late]: [T[], T[]] = [[], []];
  for (const [i, thing] of things.entries()) {
    (dropped(i) ? late : first).push(...Array<T>(times).fill(thing));
  }
  if (!shuffled) return [...first, ...late];
  return [...shuffle(first, random), ...shuffle(late, random)];
}

/** Fisher and Yates. */
function shuffle<T>(things: readonly T[], random: () => number): T[] {
  const shuffled = [...things];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
  }
  return shuffled;
}
