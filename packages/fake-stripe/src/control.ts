import { hash } from 'node:crypto';
import { type ApiRequest, refusalAnswer } from './api/api.ts';
import type { ApiAnswer } from './api/idempotency.ts';
import type { Deliveries } from './deliveries.ts';
import type { Happening, Life, Shortcuts } from './life/life.ts';
import type { ChargeRecord } from './objects/charge.ts';
import type { Metadata } from './objects/object.ts';
import { Refusal } from './refusal.ts';
import type { World } from './world.ts';

export interface ControlOptions {
  readonly world: World;
  readonly life: Life;
  readonly shortcuts: Shortcuts;
  readonly deliveries: Deliveries;
}

/** How long an answer waits for the endpoints, in milliseconds. */
const WITHIN = 8_000;

/**
 * What another process may ask of the fake, in JSON: to play the buyer, the bank or the shop's
 * staff. Answers what happened and what the endpoints that it delivers to said.
 */
export async function answerControl(
  options: ControlOptions,
  request: ApiRequest,
): Promise<ApiAnswer> {
  const { world, deliveries } = options;
  const mark = world.events.length();
  try {
    const happening = act(options, request);
    const delivered = await deliveries.delivered(mark, WITHIN);
    return { status: 200, body: { ...happening, deliveries: delivered } };
  } catch (error) {
    if (error instanceof Refusal) return refusalAnswer(error);
    throw error;
  }
}

function act(options: ControlOptions, { method, url, body }: ApiRequest): Happening {
  const [, , door = '', name = '', ...more] = url.pathname.split('/');
  if (method === 'POST' && more.length === 0) {
    if (door === 'life' && name !== '') return live(options.life, name, parse(body));
    const scene = Object.hasOwn(SCENES, door) ? SCENES[door] : undefined;
    if (scene && name === '') return scene(options, userOf(body), Object(parse(body)));
  }
  throw new Refusal(`There is no ${method} ${url.pathname}.`, { status: 404 });
}

type Scene = (options: ControlOptions, userId: string, body: Body) => Happening;
type Body = Readonly<Record<string, unknown>>;

/** What the shop's people know their customers by: a user, not ids of Stripe's. */
const SCENES: Readonly<Record<string, Scene>> = {
  purchases: buy,
  renewals({ world, life }, userId) {
    const subscription = world.store
      .all('subscription')
      .findLast(({ metadata, status }) => isOf(metadata, userId) && status !== 'canceled');
    if (!subscription) throw new Refusal(`${userId} has no subscription.`);
    return life.renewSubscription(subscription.id);
  },
  refunds: ({ world, life }, userId) => life.refundPayment(latestCharge(world, userId).id),
  disputes: ({ world, life }, userId) => life.openDispute(latestCharge(world, userId).id),
};

function userOf(body: string): string {
  const { user_id: userId } = Object(parse(body));
  if (typeof userId === 'string' && userId !== '') return userId;
  throw new Refusal('user_id is missing.');
}

const isOf = (metadata: Metadata, userId: string) => metadata['user_id'] === userId;

/** The newest payment of the user's that is still whole. */
function latestCharge({ store }: World, userId: string): ChargeRecord {
  const charge = store.all('charge').findLast(({ metadata, invoice, ...one }) => {
    const { subscriptionMetadata = {} } = (invoice && store.get('invoice', invoice)) || {};
    const whole = one.status === 'succeeded' && one.amountRefunded === 0 && !one.disputed;
    return whole && (isOf(metadata, userId) || isOf(subscriptionMetadata, userId));
  });
  if (!charge) throw new Refusal(`${userId} has no payment that is still whole.`);
  return charge;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body === '' ? 'null' : body);
  } catch {
    throw new Refusal('The body is not JSON.');
  }
}

/** A function of the life by its name, with a JSON array of its arguments. */
function live(life: Life, name: string, args: unknown): Happening {
  if (!Object.hasOwn(life, name)) throw new Refusal(`Nobody can ${name}.`, { status: 404 });
  if (!Array.isArray(args)) throw new Refusal('The body is an array of arguments.');
  const perform = life[name as keyof Life] as (...args: unknown[]) => Happening;
  return perform(...args);
}

/** `{ user_id, price, quantity? }`: a session that is paid at once. */
function buy({ world, life, shortcuts }: ControlOptions, userId: string, body: Body): Happening {
  const { price, quantity = 1 } = body;
  if (typeof price !== 'string' || price === '') throw new Refusal('price is missing.');
  if (!Number.isInteger(quantity) || (quantity as number) < 1) {
    throw new Refusal('quantity is a whole number from 1 on.');
  }
  const customer = `cus_sim_${hash('sha256', userId, 'hex').slice(0, 14)}`;
  const mode = world.store.get('price', price)?.recurring ? 'subscription' : 'payment';
  const lines = [{ price, quantity: quantity as number }];
  const { id } = shortcuts.createSession({ userId, customer, mode, lines });
  return life.paySession(id);
}
