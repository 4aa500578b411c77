/** What credit notes, refunds and disputes should take from an invoice's grants, naively. */

/** A line of the invoice: what it cost in cents, and what it gave. */
interface ModelLine {
  readonly id: string;
  readonly paid: number;
  readonly credits: number;
}

/** What a credit note gives back: in cents, of which lines, and by which refund. */
export interface ModelNote {
  readonly lines: ReadonlyMap<string, number>;
  readonly refund: { readonly id: string; readonly amount: number } | null;
  /** Beside its refund. */
  readonly own: number;
}

export interface ModelFacts {
  readonly lines: readonly ModelLine[];
  /** Those that are live, in cents by id. */
  readonly refunds: ReadonlyMap<string, number>;
  readonly disputes: ReadonlyMap<string, number>;
  /** Those that are not void. */
  readonly notes: readonly ModelNote[];
}

/** The credits that each line's grant should miss. */
export function missingByLine({ lines, refunds, disputes, notes }: ModelFacts): readonly number[] {
  const paid = sum(lines.map((line) => line.paid));
  const back = sum([...refunds.values(), ...disputes.values(), ...notes.map(({ own }) => own)]);
  if (back >= paid) return lines.map(({ credits }) => credits);
  let named = lines.map((line) =>
    Math.min(line.paid, sum(notes.map((note) => nameOf(note, line)))),
  );
  if (sum(named) > back) named = lines.map(() => 0);

  function nameOf({ lines: given, refund, own }: ModelNote, { id }: ModelLine): number {
    const all = own + (refund?.amount ?? 0);
    const gone = own + (refund && refunds.has(refund.id) ? refund.amount : 0);
    return Math.floor(((given.get(id) ?? 0) * gone) / all);
  }

  const own = lines.map(({ credits, paid: cost }, i) =>
    cost === 0 ? 0 : Math.floor((credits * (named[i] ?? 0)) / cost),
  );
  const left = lines.map(({ credits }, i) => credits - (own[i] ?? 0));
  const part = (back - sum(named)) / (paid - sum(named));
  // One credit at a time to whoever is furthest below its share, until no whole one is owed.
  const rest = left.map(() => 0);
  const behind = (i: number) => (left[i] ?? 0) * part - (rest[i] ?? 0);
  for (let owed = floor(sum(left) * part); owed > 0; owed--) {
    const most = Math.max(...left.map((_, i) => behind(i)));
    const next = left.findIndex((_, i) => behind(i) > most - 1e-9);
    rest[next] = (rest[next] ?? 0) + 1;
  }
  return own.map((credits, i) => credits + (rest[i] ?? 0));
}

/** What should be a whole number may have come out just below it. */
const floor = (share: number) => Math.floor(share + 1e-9);

const sum = (amounts: readonly number[]) => amounts.reduce((total, one) => total + one, 0);
