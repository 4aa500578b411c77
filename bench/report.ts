import type { DeliveryScenario } from './delivering.ts';
import { EXPECTATIONS, isMet } from './expectations.ts';
import { type Measure, median, type Sample, series } from './figures.ts';
import type { Scenario, Variant } from './scenarios.ts';

/** A table: the first row is the head. */
export type Table = readonly (readonly string[])[];

/** What each scenario and variant came to: medians over the rounds, with the extremes. */
export function figuresTable(samples: readonly Sample[], scenarios: readonly Scenario[]): Table {
  const rows = scenarios.flatMap((scenario) =>
    scenario.variants.map((variant) => figuresRow(samples, scenario, variant)),
  );
  const units = ['requests/s', 'min–max', 'p50 ms', 'p99 ms', 'entries an account had'];
  return [['scenario', 'connections', 'variant', ...units], ...rows];
}

function figuresRow(
  samples: readonly Sample[],
  { name, title, connections, entries }: Scenario,
  variant: Variant,
): readonly string[] {
  const of = (measure: Measure) => series(samples, name, variant, measure);
  const rates = of('rate');
  return [
    title,
    String(connections),
    variant,
    figure(median(rates)),
    `${figure(Math.min(...rates))}–${figure(Math.max(...rates))}`,
    figure(median(of('p50'))),
    figure(median(of('p99'))),
    `${figure(entries)} → ${figure(Math.max(...of('entriesAfter')))}`,
  ];
}

/** What Stripe's deliveries came to. */
export function deliveriesTable(
  samples: readonly Sample[],
  scenarios: readonly DeliveryScenario[],
): Table {
  const rows = scenarios.map(({ name, title, connections, renewals }) => {
    const of = (measure: Measure) => series(samples, name, 'purser', measure);
    const rates = of('rate');
    return [
      title,
      figure(renewals),
      figure(connections),
      figure(median(rates)),
      `${figure(Math.min(...rates))}–${figure(Math.max(...rates))}`,
      figure(median(of('p50'))),
      figure(median(of('p99'))),
    ];
  });
  const head = ['scenario', 'renewals', 'at once', 'grants/s', 'min–max', 'p50 ms', 'p99 ms'];
  return [head, ...rows];
}

/** What was expected beside what was measured; nothing in it is written by hand. */
export function expectationsTable(samples: readonly Sample[]): Table {
  const rows = EXPECTATIONS.map((expectation) => {
    const { claim, unit, bound, measure } = expectation;
    const value = measure(samples);
    const met = isMet(expectation, value);
    const verdict = met === null ? 'not measured' : met ? 'met' : '**missed**';
    const expected = `${bound[0]} ${bound[1].toLocaleString('en')}${unit}`;
    return [claim, expected, met === null ? '–' : `${figure(value)}${unit}`, verdict];
  });
  return [['figure', 'expected', 'measured', ''], ...rows];
}

/** Three significant digits, more only before the decimal point. */
export function figure(value: number): string {
  const maximumFractionDigits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toLocaleString('en', { maximumFractionDigits });
}

/** The table as Markdown, aligned, so that it reads well on a terminal too. */
export function markdown(table: Table): string {
  const [head = []] = table;
  const widths = head.map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
  const lines = table.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)));
  const rule = widths.map((width) => '-'.repeat(width));
  return [lines[0] ?? [], rule, ...lines.slice(1)]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

export interface Report {
  readonly facts: readonly string[];
  readonly samples: readonly Sample[];
  readonly scenarios: readonly Scenario[];
  readonly deliveries: readonly DeliveryScenario[];
}

/** The whole page of results. */
export function resultsPage({ facts, samples, scenarios, deliveries }: Report): string {
  return `# Results of the benchmark

Written by \`npm run bench\`; run it again on your own machine. The *classic* design spends with one
transaction per debit (BEGIN, SELECT … FOR UPDATE, SUM(delta), INSERT, COMMIT; prepared, on a pool).
Both variants are the same HTTP server with the same guard and real NextAuth tokens, each in its own
process and its own database on the same durable Postgres; a third process makes the load.

${facts.map((fact) => `- ${fact}`).join('\n')}

${markdown(expectationsTable(samples))}

${markdown(figuresTable(samples, scenarios))}

Figures are medians over the rounds; ratios are the medians of each round's own ratio. Within a round
the variants take turns, and which goes first alternates. Each connection sends its next request when
it has the answer to the last. The entries that an account had before its samples were written by SQL:
a grant and debits of 1, as the server writes them but for their hashes, which are no chain (the path
of a debit never verifies it). Where accounts are few, each sample has fresh ones; the account with a
million entries and the 10,000 are used by all samples. A run counts only when every answer was a
success and every balance equals its grant minus the debits that were answered.

${markdown(deliveriesTable(samples, deliveries))}

Renewals are told by signed \`invoice.paid\` events of 4 to 5 KB in both generations' shapes, each of
another customer, from a Node process of its own: wrk would repeat its requests, and so measure
duplicates. Where their payments are told, too, every second renewal (of the newer shape) comes with an
\`invoice_payment.paid\`. An event is verified, stored, interpreted, granted and settled. The rate counts
grants, from the first request until the last event is done, whoever did it: the delivery itself, or
the worker. A run counts only when every delivery was answered with 200 and every customer has the
credits of one renewal.
`;
}
