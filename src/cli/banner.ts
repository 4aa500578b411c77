import type { StandIns } from '../local/stand-ins.ts';

interface Greeting {
  readonly url: string;
  readonly standIns: StandIns;
  readonly userId: string;
  readonly token: string;
}

/** What a person needs next, after `npm start`. */
export function banner({
  url,
  standIns: { postgres, fakeStripe },
  userId,
  token,
}: Greeting): string {
  return [
    '',
    `  Purser serves at ${url}   (its API in the browser: ${url}/docs)`,
    '',
    `  Database   ${postgres ? `a local Postgres; its data lie in ${postgres.folder}` : 'DATABASE_URL'}`,
    ...(postgres?.note ? [`             ${postgres.note}`] : []),
    `  Stripe     ${fakeStripe ? 'SIMULATED: no money moves, no key is needed' : 'as configured'}`,
    '',
    `  You are signed in as "${userId}" for an hour with this token:`,
    '',
    `export TOKEN='${token}'`,
    '',
    '  Copy the line above into another terminal, then:',
    '',
    '  # what do I have?',
    `curl -s ${url}/api/v1/me/credits -H "Authorization: Bearer $TOKEN"`,
    '',
    ...(fakeStripe
      ? [
          '  # buy 500 credits (a simulated payment, signed and posted as Stripe does it)',
          `npx purser simulate purchase --user ${userId} --price price_starter`,
          '',
        ]
      : []),
    '  # spend 3 of them',
    `curl -s ${url}/api/v1/credits/debit -H "Authorization: Bearer $TOKEN" \\`,
    `  -H 'Content-Type: application/json' -d '{"delta": 3, "reason": "render"}'`,
    '',
    '  Ctrl-C stops; what you did is kept.',
    '',
  ].join('\n');
}
