import { type Handled, isInOrder, type Report } from '../stripe/reconcile/report.ts';
import { formatTable } from './table.ts';

const HEAD = ['what', 'object', 'user', 'amount', 'credits', 'when', 'why', 'done'];

/** The report for a terminal: a table of what was found, then what was looked at, in one line. */
export function formatReport(report: Report): string {
  const { findings, found, counts, problems } = report;
  const looked =
    `Looked at ${counts.events} events since ${minutes(report.eventsSince)}, and at ` +
    `${counts.sessions} sessions, ${counts.invoices} invoices, ${counts.refunds} refunds, ` +
    `${counts.disputes} disputes, ${counts.creditNotes} credit notes and ${counts.payments} ` +
    `payments on record since ${minutes(report.objectsSince)}.`;
  return [
    ...(findings.length > 0 ? [formatTable([HEAD, ...findings.map(rowOf)]), ''] : []),
    ...(found > findings.length ? [`… and ${found - findings.length} more.`] : []),
    looked,
    ...problems.map((problem) => `NOT COMPLETE  ${problem}`),
    conclusionOf(report),
  ].join('\n');
}

function rowOf(finding: Handled): readonly string[] {
  const { kind, object, user, amount, currency, credits, when, why, done, repaired } = finding;
  const money = amount === null ? '-' : `${amount} ${currency}`;
  const outcome = done ?? (repaired ? 'in order by now' : '-');
  return [
    ...[kind, object, user ?? '-', money, credits === null ? '-' : String(credits)],
    ...[minutes(when), why, repaired || done === null ? outcome : `NOT REPAIRED: ${outcome}`],
  ];
}

function conclusionOf(report: Report): string {
  const { applied, found, repaired, left } = report;
  if (isInOrder(report) && found === 0) return 'Stripe and the ledger agree.';
  const what = applied ? `${found} found, ${repaired} repaired, ${left} left` : `${found} found`;
  const hint = applied || found === 0 ? '' : '; --apply repairs';
  return `${what}${hint}: ${isInOrder(report) ? 'in order' : 'NOT IN ORDER'}`;
}

const minutes = (time: Date) => `${time.toISOString().slice(0, 16)}Z`;

/** The report as one JSON document; the README describes it. */
export function reportAsJson(report: Report): string {
  const { counts, findings, found, repaired, left, problems } = report;
  const { creditNotes, ...others } = counts;
  return JSON.stringify(
    {
      in_order: isInOrder(report),
      applied: report.applied,
      started_at: report.startedAt,
      events_since: report.eventsSince,
      objects_since: report.objectsSince,
      looked_at: { ...others, credit_notes: creditNotes },
      found,
      repaired,
      left,
      problems,
      findings: findings.map(({ kind, ...rest }) => ({ what: kind, ...rest })),
    },
    null,
    2,
  );
}
