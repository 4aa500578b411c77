import type { Pool } from 'pg';
import { pino } from 'pino';
import { createBatchSession } from '../db/batch-session.ts';
import { createPool } from '../db/pool.ts';
import { createLedger } from '../ledger/ledger.ts';
import { checkStripeAccount } from '../stripe/api/account.ts';
import { createStripeClient } from '../stripe/api/client.ts';
import { createCatalogue } from '../stripe/catalogue/catalogue.ts';
import { createProcessing } from '../stripe/fulfil/processing.ts';
import { createReconciler } from '../stripe/reconcile/reconcile.ts';
import { isInOrder, type Report } from '../stripe/reconcile/report.ts';
import { type Command, UsageError } from './command.ts';
import { databaseUrl } from './database-url.ts';
import { createProgressLine } from './progress-line.ts';
import { acceptObject, printAccepted, unacceptObject } from './reconcile-accept.ts';
import { formatProgress, formatReport, reportAsJson } from './reconcile-report.ts';
import { stopRequested } from './stop-requested.ts';
import { type StripeAccess, stripeAccess } from './stripe-access.ts';
import { readSince } from './times.ts';

type Options = Parameters<typeof stripeAccess>[0];

/** Before that there was no Stripe; nor does it take a moment before 1970. */
const FIRST = Date.UTC(2010);

export const reconcileCommand: Command = {
  summary: 'compare Stripe with the ledger; with --apply repair what is off',
  help: [
    'Usage: purser reconcile [--since <age or moment>] [--apply] [--json] [--folder <path>]',
    '       purser reconcile --accept <object> --seen <mark> --why <text> [--by <name>]',
    '                        [--folder <path>]',
    '       purser reconcile --unaccept <object> [--folder <path>]',
    '       purser reconcile --accepted [--json] [--folder <path>]',
    '',
    'Looks for events of Stripe that never arrived, payments without credits, credits without a',
    'payment, and refunds and disputes that are not on file or not settled. Goes back to the last',
    'run that repaired, once a day 30 days, or as far as --since says: 7d, 36h, 30m or a moment in',
    'UTC such as 2026-11-24.',
    '',
    'Without --apply nothing is written. With it, what is off is carried out by the same rules as a',
    'webhook, and looked at again; credits without a payment are only told. A running server does',
    'the same every RECONCILE_EVERY_MINUTES. --json prints the report as one JSON document.',
    '',
    'What could not be repaired is looked at by every run, until it is in order, or until --accept',
    'says that it shall stay as it is: --seen names what was seen, by the mark that the report has',
    'told; when it is something else by now, nothing is accepted. Who said so (the user of this',
    'machine, unless --by names another), when and why is kept. Events that would grant an accepted',
    'payment are ignored, for that reason. When the amount, the credits or the reason change, it is',
    'told again, and not repaired before --unaccept takes back what was said, or --accept says it',
    'anew. --unaccept also makes the events due that were ignored. --accepted lists what is accepted.',
    '',
    'Exits with 0 when everything is in order, or was repaired; with 1 when something is off, or',
    'when not everything could be looked at.',
  ].join('\n'),
  options: ['since', 'accept', 'seen', 'unaccept', 'why', 'by', 'folder'],
  flags: ['apply', 'json', 'accepted'],
  async run({ options, flags }) {
    checkTogether(options, flags);
    const { since: asked, accept, unaccept } = options;
    if (accept !== undefined) return acceptObject(accept, options);
    if (unaccept !== undefined) return unacceptObject(unaccept, options);
    if (flags.has('accepted')) return printAccepted(options, flags.has('json'));
    const since = sinceOf(asked, Date.now());
    const access = await stripeAccess(options as Options);
    const url = await databaseUrl(options as Options);
    const pool = createPool({ url, size: 5, onError: () => {} });
    try {
      const apply = flags.has('apply');
      const report = await reconcile(pool, url, access, { apply, since });
      console.log(flags.has('json') ? reportAsJson(report) : formatReport(report));
      return isInOrder(report) ? 0 : 1;
    } finally {
      await pool.end();
    }
  },
};

/** @throws UsageError for options of which each asks for something else */
function checkTogether(
  { since, accept, seen, unaccept, why, by }: Readonly<Record<string, string | undefined>>,
  flags: ReadonlySet<string>,
): void {
  const isList = flags.has('accepted');
  const isRun = since !== undefined || flags.has('apply') || (flags.has('json') && !isList);
  const asked = [
    ...(accept === undefined ? [] : ['--accept']),
    ...(unaccept === undefined ? [] : ['--unaccept']),
    ...(isList ? ['--accepted'] : []),
  ];
  if (asked.length > 1) throw new UsageError(`${asked.join(' and ')} go one by one.`);
  if (asked[0] && isRun) throw new UsageError(`${asked[0]} goes without a run.`);
  if (accept !== undefined) return;
  for (const [name, value] of Object.entries({ seen, why, by })) {
    if (value !== undefined) throw new UsageError(`--${name} belongs to --accept.`);
  }
}

async function reconcile(
  pool: Pool,
  url: string,
  access: StripeAccess,
  { apply, since }: { readonly apply: boolean; readonly since: Date | null },
): Promise<Report> {
  // At Ctrl-C a run ends at its next step, tells what it has seen, and gives its lease back.
  const stopping = new AbortController();
  void stopRequested().then(() => stopping.abort());
  const line = createProgressLine(process.stderr);
  const client = createStripeClient(access);
  const { livemode, takesSimulated, trustsReference } = access;
  // Also when nothing is repaired: what another account has says nothing of this ledger.
  const account = await checkStripeAccount({
    ...{ pool, client, livemode, takesSimulated },
    records: apply,
  });
  if (!account.ok) throw new Error(`STRIPE_SECRET_KEY: ${account.problem}.`);
  const ledger = createLedger({ url, pool });
  const session = createBatchSession(url);
  // What it finds is in the report; only what nobody foresaw is told beside it.
  const log = pino({ level: 'error' }, pino.destination(2));
  const catalogue = createCatalogue(pool);
  const processing = createProcessing({
    ...{ pool, session, ledger, client, livemode, trustsReference, catalogue, log },
  });
  try {
    const reconciler = createReconciler({ pool, processing, livemode, log });
    const report = await reconciler.run({
      ...{ apply, since, signal: stopping.signal },
      onProgress: (progress) => line.show(formatProgress(progress)),
    });
    if (!report) throw new Error('A run that repairs is under way; wait until it has ended.');
    return report;
  } finally {
    line.clear();
    await Promise.all([ledger.close(), session.close()]);
  }
}

/** @throws UsageError */
function sinceOf(text: string | undefined, now: number): Date | null {
  if (text === undefined) return null;
  const since = readSince(text, now);
  if (since > now) throw new UsageError('--since lies in the future.');
  return new Date(Math.max(since, FIRST));
}
