import { PurserError } from '../../errors.ts';
import type { StripeApi } from '../api/api.ts';
import { fetchSession } from '../api/sessions.ts';
import type { Processing } from '../fulfil/processing.ts';
import type { Verdict } from '../inbox/verdicts.ts';
import type { PaymentRecords } from '../payments/payment-records.ts';
import type { PurchaseIntents } from '../payments/purchase-intents.ts';
import { tellOf } from '../shapes/event.ts';
import { at, idOf, isObject, type Json } from '../shapes/json.ts';
import { readSession, type Session } from '../shapes/shapes.ts';
import { answerOf } from './refusals.ts';

export interface CheckoutSyncOptions {
  readonly api: StripeApi;
  readonly intents: Pick<PurchaseIntents, 'find'>;
  readonly records: Pick<PaymentRecords, 'find'>;
  readonly carryOut: Processing['carryOut'];
}

/**
 * What has become of a checkout: its credits are there; they will be, or may still be; or there
 * will be none.
 */
export type CheckoutStatus = 'granted' | 'pending' | 'nothing';

/** What a session id looks like; anything else is asked of nobody. */
const SESSION_ID = /^cs_[A-Za-z0-9_]{1,252}$/;

/**
 * Fulfils a checkout that the webhook has not told of yet: the session as Stripe knows it now goes
 * through the same door as an event, under the same grant key, so both may come at once.
 */
export function createCheckoutSync({ api, intents, records, carryOut }: CheckoutSyncOptions) {
  /** @throws PurserError `not_found` for a session that is not this user's, or that nobody knows */
  async function sync(userId: string, id: string): Promise<CheckoutStatus> {
    if (!SESSION_ID.test(id)) throw new PurserError('not_found');
    const intent = await intents.find(id);
    if (intent && intent.userId !== userId) throw new PurserError('not_found');
    if (intent && (await outcomeOf(id)) === 'granted') return 'granted';
    const { object, session } = await readNow(id);
    const named = 'userId' in session.user ? session.user.userId : null;
    if ((intent?.userId ?? named) !== userId) throw new PurserError('not_found');
    if (session.status === 'open') return 'pending';
    if (session.status === 'expired') return 'nothing';
    const verdict = await carryOut(tellOf(object, 'checkout.session.completed'));
    if (session.mode === 'subscription') return syncInvoice(idOf(at(object, 'invoice')));
    return (await outcomeOf(id)) ?? statusOf(verdict);
  }

  async function readNow(id: string): Promise<{ object: Json; session: Session }> {
    const answer = await fetchSession(api, id);
    if (answer.kind === 'unusable' && answer.refusal?.status === 404) {
      throw new PurserError('not_found');
    }
    const object = answerOf(answer);
    const read = readSession(object);
    if (read.ok) return { object, session: read.value };
    throw new PurserError('stripe_refused', { cause: new Error('the session cannot be read') });
  }

  /** A subscription's first invoice grants, not its checkout. */
  async function syncInvoice(id: string | null): Promise<CheckoutStatus> {
    if (id === null) return 'pending';
    const known = await outcomeOf(id);
    if (known !== null) return known;
    // From API version 2025-03-31.basil on an invoice names its payment only when it is asked to.
    const answer = await api.ask((client) =>
      client.invoices.retrieve(id, { expand: ['payments'] }),
    );
    const object: unknown = answerOf(answer);
    if (!isObject(object) || at(object, 'status') !== 'paid') return 'pending';
    const verdict = await carryOut(tellOf(object, 'invoice.paid'));
    return (await outcomeOf(id)) ?? statusOf(verdict);
  }

  /** What is on record of the payment; null when nothing is yet. */
  async function outcomeOf(name: string): Promise<'granted' | 'nothing' | null> {
    const [known] = await records.find([name]);
    return known?.record?.outcome ?? null;
  }

  return sync;
}

/** Of what left no record: it waits for something, or it is nothing that gives credits. */
function statusOf({ state }: Verdict): CheckoutStatus {
  return state === 'parked' ? 'pending' : 'nothing';
}
