/** One line of a terminal, written over and over while something goes on. */
export interface ProgressLine {
  readonly show: (text: string) => void;
  /** Leaves nothing of it on the terminal. */
  readonly clear: () => void;
}

/** How long a text stays before the next one takes its place, in milliseconds. */
const STAYS = 100;
/** Of a terminal that does not say how wide it is. */
const COLUMNS = 80;
/** To the beginning of the line, and what stands there is erased. */
const ERASE = '\r\x1b[K';

/**
 * Where the stream is no terminal nothing is written at all.
 * @param now in milliseconds
 */
export function createProgressLine(
  stream: Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'>,
  now: () => number = () => performance.now(),
): ProgressLine {
  let shown = '';
  let showAgainAt = Number.NEGATIVE_INFINITY;
  return {
    show(text) {
      if (!stream.isTTY || text === shown || now() < showAgainAt) return;
      // What is wider than the terminal would go on in a second line, which nothing erases.
      const most = (stream.columns || COLUMNS) - 1;
      stream.write(`${ERASE}${text.length > most ? `${text.slice(0, most - 1)}…` : text}`);
      shown = text;
      showAgainAt = now() + STAYS;
    },
    clear() {
      if (shown !== '') stream.write(ERASE);
      shown = '';
    },
  };
}
