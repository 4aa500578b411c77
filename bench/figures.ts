import type { Variant } from './scenarios.ts';

/** What one sample found. */
export interface Sample {
  readonly scenario: string;
  readonly variant: Variant;
  readonly round: number;
  /** Answers in a second. */
  readonly rate: number;
  /** Latencies as the client saw them, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** How many entries each account had after it, on average. */
  readonly entriesAfter: number;
}

export type Measure = 'rate' | 'p50' | 'p99' | 'entriesAfter';

/** The middle one of `values`, or the mean of the two in the middle; NaN when there is none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** One measure of all samples of a scenario and variant, in the order of the rounds. */
export function series(
  samples: readonly Sample[],
  scenario: string,
  variant: Variant,
  measure: Measure,
): readonly number[] {
  return samples
    .filter((sample) => sample.scenario === scenario && sample.variant === variant)
    .toSorted((a, b) => a.round - b.round)
    .map((sample) => sample[measure]);
}

/**
 * The median of the rounds' own ratios: the two samples of a round were taken within seconds, so
 * that what else the machine did at that time weighs on both.
 */
export function ratio(above: readonly number[], below: readonly number[]): number {
  return median(above.map((value, round) => value / (below[round] ?? Number.NaN)));
}
