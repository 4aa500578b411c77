import type { FastifyBaseLogger } from 'fastify';
import type { Pool } from 'pg';
import type { Stripe } from 'stripe';
import type { BatchSession } from '../../db/batch-session.ts';
import type { Command, Outcome } from '../../ledger/core/command.ts';
import { readClawBacks } from '../../ledger/read/claw-backs.ts';
import { inUseSince } from '../api/account.ts';
import { createStripeApi, type StripeApi } from '../api/api.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { createInbox, type Inbox } from '../inbox/inbox.ts';
import { API_IS_BACK, userIsKnown, type Verdict, wakesOf } from '../inbox/verdicts.ts';
import { createAcceptedPayments } from '../payments/accepted-payments.ts';
import { createPaymentNames } from '../payments/payment-names.ts';
import { createPaymentRecords, type PaymentRecords } from '../payments/payment-records.ts';
import { createPurchaseIntents, type PurchaseIntents } from '../payments/purchase-intents.ts';
import { createUsers, type Users } from '../payments/users.ts';
import { createReversals } from '../reversals/reversals.ts';
import { createTakeBack, type TakeBack } from '../reversals/take-back.ts';
import type { Told } from '../shapes/event.ts';
import { type Attempt, createAttempt } from './attempt.ts';
import { createFulfilment, type Fulfilment } from './fulfil.ts';
import { createSold } from './sold.ts';

export interface ProcessingOptions {
  readonly pool: Pool;
  /** For the statements that carry many events' work. */
  readonly session: BatchSession;
  readonly ledger: { readonly post: (command: Command) => Promise<Outcome> };
  readonly client: Stripe;
  /** The mode of the client's key; see `livemodeOf`. */
  readonly livemode: boolean;
  /** See `PayOptions`. */
  readonly trustsReference: boolean;
  readonly catalogue: Pick<Catalogue, 'find' | 'findVersions'>;
  readonly log: FastifyBaseLogger;
}

/** What turns Stripe's word into credits, put together. */
export interface Processing extends Fulfilment {
  readonly inbox: Inbox;
  readonly api: StripeApi;
  readonly users: Users;
  readonly records: PaymentRecords;
  readonly intents: PurchaseIntents;
  readonly takeBack: TakeBack;
  readonly attempt: Attempt;
  /** Carries out what the API told, and wakes what waited for it, as an attempt at an event does. */
  readonly carryOut: (told: Told) => Promise<Verdict>;
}

export function createProcessing(options: ProcessingOptions): Processing {
  const { pool, session, ledger, client, livemode, trustsReference, catalogue, log } = options;
  const { post } = ledger;
  const inbox = createInbox(pool, session);
  // A few seconds, so that an object which always fails is not retried at every other's success.
  const api = createStripeApi(client, () => inbox.wake([API_IS_BACK], 5));
  const paymentNames = createPaymentNames(pool, session);
  const acceptedPayments = createAcceptedPayments(session);
  const records = createPaymentRecords(pool, session);
  const users = createUsers(pool, session);
  const takeBack = createTakeBack({
    ...{ api, paymentNames, learnNames, acceptedPayments, records, post },
    reversals: createReversals(pool, session),
    clawBacks: (payments) => readClawBacks(pool, payments),
    inUseSince: () => inUseSince(pool),
  });
  const intents = createPurchaseIntents(pool, session, livemode);
  const sold = createSold(intents, catalogue);
  const stored = { inbox, users, paymentNames, learnNames, acceptedPayments, records };
  const parts = { ...stored, takeBack, api, post, sold };
  const fulfilment = createFulfilment({ ...parts, livemode, trustsReference });
  const attempt = createAttempt({ inbox, fulfil: fulfilment.fulfil, log });

  async function learnNames(key: string, names: readonly string[]): Promise<string> {
    const owner = await paymentNames.claim(key, names);
    if (await users.areLinked([key, ...names])) await inbox.wake([owner, key].map(userIsKnown));
    return owner;
  }

  async function carryOut(told: Told): Promise<Verdict> {
    const verdict = await fulfilment.fulfil(told);
    await inbox.wake(wakesOf(verdict));
    return verdict;
  }

  return { ...fulfilment, carryOut, inbox, api, users, records, intents, takeBack, attempt };
}
