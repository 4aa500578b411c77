import type { Pool } from 'pg';
import { createPool } from '../db/pool.ts';
import { checkStripeAccount } from '../stripe/api/account.ts';
import { createStripeApi } from '../stripe/api/api.ts';
import { createStripeClient } from '../stripe/api/client.ts';
import { CatalogueFile } from '../stripe/catalogue/catalogue-json.ts';
import { type CataloguePrice, listCatalogue } from '../stripe/catalogue/catalogue-list.ts';
import { syncPrices } from '../stripe/catalogue/price-sync.ts';
import { type Change, type Source, TERMS } from '../stripe/catalogue/publish.ts';
import type { Terms } from '../stripe/catalogue/terms.ts';
import { type Command, UsageError } from './command.ts';
import { databaseUrl } from './database-url.ts';
import { type StripeAccess, stripeAccess } from './stripe-access.ts';
import { formatTable, printable } from './table.ts';

type Options = Parameters<typeof stripeAccess>[0];

export const pricesCommand: Command = {
  summary: 'list what prices give; take it over from the metadata of Stripe’s Prices',
  help: [
    'Usage: purser prices list [--folder <path>]',
    '       purser prices sync [--dry-run] [--folder <path>]',
    '       purser prices schema',
    '',
    'list    prints the terms that are in force for every price that was ever known.',
    'sync    reads all active Prices of STRIPE_SECRET_KEY and publishes what their metadata say:',
    '        credits, credits_category, credits_expires, credits_trial, credits_free,',
    '        credits_manual. Prints what changed and what was refused; a refused price stays as it',
    '        was, and the exit code is 1. What outranks the metadata is named. --dry-run publishes',
    '        nothing. Running servers follow within seconds.',
    'schema  prints the JSON Schema of the catalogue file; needs no database.',
  ].join('\n'),
  options: ['folder'],
  flags: ['dry-run'],
  words: ['list', 'sync', 'schema'],
  async run({ word, options, flags }) {
    if (flags.has('dry-run') && word !== 'sync') throw new UsageError('--dry-run belongs to sync.');
    if (word === 'schema') {
      console.log(JSON.stringify(CatalogueFile, null, 2));
      return 0;
    }
    const access = word === 'sync' ? await stripeAccess(options) : null;
    const url = await databaseUrl(options as Options);
    const pool = createPool({ url, size: 1, onError: () => {} });
    try {
      return await (access ? sync(pool, access, flags.has('dry-run')) : list(pool));
    } finally {
      await pool.end();
    }
  },
};

async function list(pool: Pool): Promise<number> {
  const prices = await listCatalogue(pool);
  if (prices.length === 0) console.log('No price is known.');
  else console.log(formatTable([LISTED, ...prices.map(listed)]));
  return 0;
}

const LISTED = [
  ...['price', 'version', 'source', 'credits', 'category', 'expires', 'trial', 'free'],
  ...['manual', 'for sale', 'name'],
];

function listed({ price, version, source, ...terms }: CataloguePrice): readonly string[] {
  const { credits, category, expires, trial, free, manual, forSale, name } = terms;
  return [
    ...[price, version, source, credits, category ?? '-', expires, trial, free].map(String),
    ...[manual, forSale ? 'yes' : 'no', name ?? '-'],
  ];
}

async function sync(pool: Pool, access: StripeAccess, dryRun: boolean): Promise<number> {
  const client = createStripeClient(access);
  // Also before a dry run: what another account would change says nothing.
  const { livemode, takesSimulated } = access;
  const account = await checkStripeAccount({
    ...{ pool, client, livemode, takesSimulated },
    records: !dryRun,
  });
  if (!account.ok) throw new Error(`STRIPE_SECRET_KEY: ${account.problem}.`);
  const api = createStripeApi(client, async () => {});
  const answer = await syncPrices({ pool, api, dryRun });
  if (answer.kind !== 'answer') throw new Error(`${answer.reason}; nothing was changed.`);
  const { changes, refused, unchanged, outranked } = answer.value;
  if (changes.length > 0) console.log(formatTable([CHANGED, ...changes.map(changed)]));
  for (const { price, problems } of refused) {
    console.log(`REFUSED  ${printable(`${price}: ${problems.join('; ')}`)}`);
  }
  for (const { price, by } of outranked) {
    console.log(`OUTRANKED  ${printable(price)}: ${OUTRANKING[by]} says what it gives`);
  }
  const what = dryRun ? 'would change' : 'changed';
  console.log(`${changes.length} ${what}, ${unchanged} as before, ${refused.length} refused.`);
  return refused.length === 0 ? 0 : 1;
}

/** What outranks a price's metadata, as an operator knows it. */
const OUTRANKING: Readonly<Record<Exclude<Source, 'stripe'>, string>> = {
  env: 'STRIPE_PRICE_TO_CREDITS_JSON',
  file: 'the catalogue file',
};

const CHANGED = ['price', 'what', ...TERMS];

function changed({ price, kind, before, after }: Change): readonly string[] {
  return [price, kind, ...TERMS.map((member) => difference(before, after, member))];
}

function difference(before: Terms | null, after: Terms | null, member: keyof Terms): string {
  const [was, is] = [before, after].map((terms) => terms && String(terms[member] ?? '-'));
  return was != null && is != null && was !== is ? `${was} → ${is}` : (is ?? was ?? '');
}
