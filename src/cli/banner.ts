import type { StandIns } from '../local/stand-ins.ts';
import { DEFAULT_FOLDER, ROOT } from './folder.ts';

interface Greeting {
  readonly url: string;
  readonly standIns: StandIns;
  /** Where data and secrets lie: the CLI's --folder. */
  readonly folder: string;
  readonly userId: string;
  readonly token: string;
}

/**
 * What a person needs next, after `npm start`. Whatever begins at the left edge is one block to
 * paste into a shell as it is; it starts with `cd`, because elsewhere `npx purser` means a package
 * of that name.
 */
export function banner({ url, standIns, folder, userId, token }: Greeting): string {
  const { postgres, fakeStripe } = standIns;
  const bearer = '-H "Authorization: Bearer $TOKEN"';
  const where = folder === DEFAULT_FOLDER ? '' : ` --folder ${quote(folder)}`;
  return [
    '',
    `  Purser serves at ${url}`,
    '',
    `  API       ${url}/docs`,
    `  Database  ${postgres ? `a local Postgres; data in ${postgres.folder}` : 'DATABASE_URL'}`,
    ...wrap(postgres?.note ?? '', 88).map((line) => `            ${line}`),
    `  Stripe    ${fakeStripe ? 'SIMULATED: no key is needed, no money moves' : 'as configured'}`,
    '  Stop      Ctrl-C; what you did is kept',
    '',
    `  Paste this into another terminal; its token signs you in as "${userId}" for an hour.`,
    '',
    `cd ${quote(ROOT)}`,
    `export TOKEN='${token}'`,
    '',
    '# What you have',
    `curl -s ${url}/api/v1/me/credits ${bearer}; echo`,
    '',
    ...(fakeStripe
      ? [
          '# Buy credits: a simulated payment, signed and posted as Stripe does it',
          `npx purser simulate purchase --user ${userId}${where}`,
          '',
          '# Or buy them in the browser: open the url that this answers, a simulated checkout page',
          `curl -s ${url}/api/v1/checkout-sessions ${bearer} \\`,
          `  -H 'Content-Type: application/json' -d '{"price": "price_starter"}'; echo`,
          '',
        ]
      : []),
    '# Spend 3 of them',
    `curl -s ${url}/api/v1/credits/debit ${bearer} \\`,
    `  -H 'Content-Type: application/json' -d '{"delta": 3, "reason": "render"}'; echo`,
    '',
  ].join('\n');
}

/** Breaks a text between words into lines of `width` characters at most. */
function wrap(text: string, width: number): readonly string[] {
  return text.match(new RegExp(`\\S.{0,${width - 1}}(?=\\s|$)|\\S+`, 'g')) ?? [];
}

/** A path as one word of a POSIX shell. */
function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
