import { type AcceptedFinding, markOf } from '../stripe/reconcile/acceptances.ts';
import {
  CHANGED,
  type Counts,
  type Finding,
  type Handled,
  isInOrder,
  type Progress,
  type Report,
} from '../stripe/reconcile/report.ts';
import { printable } from './table.ts';

const INDENT = '    ';

/** The report for a terminal: what was found, what was looked at, and the verdict at the end. */
export function formatReport(report: Report): string {
  const { findings, found, counts, waiting, problems, unseen, applied } = report;
  const { events, payments, ...objects } = counts;
  const looked = [
    `Looked at ${amount(events, 'event')} since ${minutes(report.eventsSince)},`,
    `at ${listOf(objects).join(', ')}`,
    `and at ${amount(payments, 'payment')} on record since ${minutes(report.objectsSince)}.`,
  ];
  // What is left comes last, where a terminal shows it.
  const ordered = findings.toSorted((a, b) => Number(b.repaired) - Number(a.repaired));
  return [
    ...ordered.map((one) => `${formatFinding(one, applied ? outcomeOf(one) : [])}\n`),
    ...(found > findings.length ? [`… and ${found - findings.length} more.\n`] : []),
    ...looked,
    ...(waiting > 0
      ? [`Still to be asked for one by one, in their turn: ${amount(waiting, 'payment')}.`]
      : []),
    ...problems.map((problem) => printable(`NOT COMPLETE: ${problem}.`)),
    ...unseen.map((finding) => printable(howToAccept(finding))),
    ...conclusionOf(report),
  ].join('\n');
}

/** How far a run is, in one line: what it has looked at, and what it has found. */
export function formatProgress({ counts, found }: Progress): string {
  const { payments, ...others } = counts;
  const looked = listOf(others).filter((one) => !one.startsWith('0 '));
  if (payments > 0) looked.push(`${amount(payments, 'payment')} on record`);
  return `${looked.join(', ') || 'Asking Stripe'} … ${found > 0 ? `${found} found` : ''}`.trimEnd();
}

/** What was accepted, one after the other, and what is not any more what was accepted. */
export function formatAccepted(accepted: readonly AcceptedFinding[]): string {
  if (accepted.length === 0) return 'Nothing is accepted.';
  return accepted
    .map(({ acceptedAt, note, changed, ...finding }) =>
      formatFinding(finding, [
        `${minutes(acceptedAt)}, ${note}`,
        ...(changed === null ? [] : [`it has changed since: ${changed}`]),
      ]),
    )
    .join('\n\n');
}

/** What is left about an object, and how each is accepted. */
export function formatLeft(left: readonly Finding[]): string {
  return left.map((finding) => formatFinding(finding, [howToAccept(finding)])).join('\n\n');
}

/** What it is about in the first line; below it whose it is, why, and what became of it. */
function formatFinding(finding: Finding, outcome: readonly string[]): string {
  const { kind, object, user, amount: money, currency, credits, when, why } = finding;
  const about = [
    ...(user === null ? [] : [`user ${user}`]),
    ...(money === null ? [] : [`${money} ${currency}`]),
    ...(credits === null ? [] : [creditsOf(credits)]),
    minutes(when),
  ];
  const lines = [about.join(', '), why, ...outcome];
  return [`${kind}  ${object}`, ...lines.map((line) => `${INDENT}${line}`)]
    .map(printable)
    .join('\n');
}

function creditsOf(credits: number): string {
  if (credits === 0) return 'no credits';
  return credits > 0
    ? `${amount(credits, 'credit')} missing`
    : `${amount(-credits, 'credit')} too many`;
}

function outcomeOf(handled: Handled): readonly string[] {
  const { done, repaired } = handled;
  if (!repaired) {
    return [
      `NOT REPAIRED: ${done ?? 'somebody has to decide'}`,
      howToAccept(handled),
      ...(done === CHANGED ? [`to leave it no more: --unaccept ${handled.object}`] : []),
    ];
  }
  if (done === null) return ['in order by now'];
  return [done === 'done' ? 'repaired' : `repaired: ${done}`];
}

function howToAccept(finding: Finding): string {
  return `to leave it: --accept ${finding.object} --seen ${markOf(finding)} --why …`;
}

function conclusionOf(report: Report): readonly string[] {
  const { applied, found, repaired, left } = report;
  const isWell = isInOrder(report);
  if (isWell && found === 0) return ['Stripe and the ledger agree.'];
  const told = applied ? `${found} found, ${repaired} repaired, ${left} left` : `${found} found`;
  return [
    `${isWell ? 'IN ORDER' : 'NOT IN ORDER'}: ${told}.`,
    ...(!applied && found > 0 ? ['Nothing was written; --apply repairs.'] : []),
    ...(applied && left > 0
      ? ['Every run tries again what is left; --accept leaves an object as it is.']
      : []),
  ];
}

function listOf({
  events,
  sessions,
  invoices,
  refunds,
  disputes,
  creditNotes,
}: Partial<Counts>): readonly string[] {
  const counted = [
    [events, 'event'],
    [sessions, 'session'],
    [invoices, 'invoice'],
    [refunds, 'refund'],
    [disputes, 'dispute'],
    [creditNotes, 'credit note'],
  ] as const;
  return counted.flatMap(([count, what]) => (count === undefined ? [] : [amount(count, what)]));
}

const amount = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
const minutes = (time: Date) => `${time.toISOString().slice(0, 16)}Z`;

/** The report as one JSON document; the README describes it. */
export function reportAsJson(report: Report): string {
  const { counts, findings, found, repaired, left, waiting, problems, unseen } = report;
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
      waiting,
      problems,
      findings: findings.map(marked),
      unseen: unseen.map(marked),
    },
    null,
    2,
  );
}

/** A finding in the words of the report, with the mark by which it is accepted. */
function marked<Found extends Finding>(finding: Found) {
  const { kind: what, ...rest } = finding;
  return { what, ...rest, mark: markOf(finding) };
}

/** What was accepted as a JSON array, in the words of the report. */
export function acceptedAsJson(accepted: readonly AcceptedFinding[]): string {
  const items = accepted.map(({ kind, acceptedAt, note, changed, ...rest }) => ({
    ...{ what: kind, ...rest, accepted_at: acceptedAt, note },
    changed: changed !== null,
  }));
  return JSON.stringify(items, null, 2);
}
