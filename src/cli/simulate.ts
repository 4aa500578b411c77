import { isLocal } from '../config/config.ts';
import { readEnvironment } from '../config/variables.ts';
import { findRunning } from '../local/running.ts';
import { LOCAL_PRICES } from '../local/stand-ins.ts';
import type { Command } from './command.ts';
import { folderOf } from './folder.ts';

const [DEFAULT_PRICE] = Object.keys(LOCAL_PRICES);

/** What can be played: the fake's door for it, and the event that decides about the credits. */
const SCENES = {
  purchase: { door: 'purchases', decides: ['invoice.paid', 'checkout.session.completed'] },
  renewal: { door: 'renewals', decides: ['invoice.paid'] },
  refund: { door: 'refunds', decides: ['refund.created'] },
  dispute: { door: 'disputes', decides: ['charge.dispute.funds_withdrawn'] },
} as const;

export const simulateCommand: Command = {
  summary: 'play a payment, renewal, refund or dispute on the local server',
  help: [
    'Usage: purser simulate purchase [--user <id>] [--price <id>] [--quantity <n>]',
    '                                [--folder <path>]',
    '       purser simulate renewal|refund|dispute [--user <id>] [--folder <path>]',
    '',
    'Makes the simulated Stripe of a running `npm start` take a payment, renew the user’s newest',
    'subscription, refund the newest payment or let the bank dispute it; it signs and posts the',
    'events as Stripe would. No money moves.',
    'The user is `demo` unless another one is named.',
    `Prices: ${Object.entries(LOCAL_PRICES)
      .map(([id, credits]) => `${id} (${credits} credits)`)
      .join(', ')}`,
  ].join('\n'),
  options: ['user', 'price', 'quantity', 'folder'],
  words: Object.keys(SCENES),
  async run({ options, word }) {
    if (!isLocal(readEnvironment())) {
      throw new Error('A simulated payment is impossible in production.');
    }
    const { fakeStripe } = await findRunning(folderOf(options));
    if (!fakeStripe) {
      throw new Error('The server uses the Stripe key it was given; use `stripe trigger` with it.');
    }
    const { user = 'demo', price = DEFAULT_PRICE, quantity = '1' } = options;
    const scene = SCENES[word as keyof typeof SCENES];
    const purchase = { price, quantity: Number(quantity) };
    const deliveries = await play(`${fakeStripe}/_fake/${scene.door}`, {
      user_id: user,
      ...(word === 'purchase' && purchase),
    });
    const what = word === 'purchase' ? `paid for ${quantity} × ${price}` : `has a ${word}`;
    return report(`${user} ${what}`, deliveries, scene.decides);
  },
};

/** A webhook that the simulated Stripe has posted, and what the server answered. */
interface Delivery {
  readonly event: string;
  readonly type: string;
  readonly status: number | null;
  readonly answer: { readonly data?: { readonly state?: string } } | null;
}

async function play(door: string, body: object): Promise<readonly Delivery[]> {
  const answer = await fetch(door, { method: 'POST', body: JSON.stringify(body) });
  const said = (await answer.json()) as {
    deliveries: readonly Delivery[];
    error?: { message: string };
  };
  if (!answer.ok) throw new Error(said.error?.message ?? `the simulated Stripe: ${answer.status}`);
  return said.deliveries;
}

/** @returns the exit code */
function report(what: string, deliveries: readonly Delivery[], decides: readonly string[]): number {
  const decisive = decides
    .map((type) => deliveries.find((delivery) => delivery.type === type))
    .find((delivery) => delivery !== undefined);
  const state = decisive?.answer?.data?.state;
  console.log(`Simulated: ${what} (event ${decisive?.event}).`);
  console.log(
    decisive?.status
      ? `Purser answered ${decisive.status}: the event is ${state ?? 'not accepted'}.`
      : 'Purser did not answer; the simulated Stripe will try again.',
  );
  if (state === 'done') return 0;
  console.log('No change of credits yet; the log of the server says why.');
  return 1;
}
