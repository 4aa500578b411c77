import { isLocal } from '../config/config.ts';
import { readEnvironment } from '../config/variables.ts';
import { findRunning } from '../local/running.ts';
import { completeSecrets, LOCAL_PRICES } from '../local/stand-ins.ts';
import type { Command } from './command.ts';
import { folderOf } from './folder.ts';

const [DEFAULT_PRICE] = Object.keys(LOCAL_PRICES);

export const simulateCommand: Command = {
  summary: 'play a payment on the local server, with its simulated Stripe',
  help: [
    'Usage: purser simulate purchase [--user <id>] [--price <id>] [--quantity <n>]',
    '                                [--folder <path>]',
    '',
    'Makes the simulated Stripe of a running `npm start` take a payment, then signs and posts the',
    'checkout.session.completed event as Stripe would. No money moves.',
    'The user is `demo` unless another one is named.',
    `Prices: ${Object.entries(LOCAL_PRICES)
      .map(([id, credits]) => `${id} (${credits} credits)`)
      .join(', ')}`,
  ].join('\n'),
  options: ['user', 'price', 'quantity', 'folder'],
  words: ['purchase'],
  async run({ options }) {
    const env = readEnvironment();
    if (!isLocal(env)) throw new Error('A simulated payment is impossible in production.');
    const folder = folderOf(options);
    const { url, fakeStripe } = await findRunning(folder);
    if (!fakeStripe) {
      throw new Error('The server uses the Stripe key it was given; use `stripe trigger` with it.');
    }
    const { STRIPE_WEBHOOK_SECRET: secret } = await completeSecrets(env, folder);
    const { user = 'demo', price = DEFAULT_PRICE, quantity = '1' } = options;
    const event = await buy(fakeStripe, { user_id: user, price, quantity: Number(quantity) });
    const { deliver } = await import('@purser/fake-stripe/deliver');
    const answer = await deliver(event, { url: `${url}/webhooks/stripe`, secret });
    const { data } = (await answer.json()) as { data?: { state?: string } };
    console.log(`Simulated: ${user} paid for ${quantity} × ${price} (event ${event.id}).`);
    console.log(`Purser answered ${answer.status}: the event is ${data?.state ?? 'not accepted'}.`);
    if (data?.state === 'done') return 0;
    console.log('No credits yet; the log of the server says why.');
    return 1;
  },
};

type SimulatedEvent = Parameters<typeof import('@purser/fake-stripe/deliver').deliver>[0];

async function buy(fakeStripe: string, purchase: object): Promise<SimulatedEvent> {
  const answer = await fetch(`${fakeStripe}/_fake/purchases`, {
    method: 'POST',
    body: JSON.stringify(purchase),
  });
  const body = (await answer.json()) as SimulatedEvent & { error?: { message: string } };
  if (!answer.ok)
    throw new Error(body.error?.message ?? `the simulated Stripe said ${answer.status}`);
  return body;
}
