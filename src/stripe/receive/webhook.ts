import type { FastifyPluginAsync } from 'fastify';
import { Type } from 'typebox';
import { Envelope, ERROR_BODY } from '../../envelope.ts';
import { PurserError } from '../../errors.ts';
import type { Attempt } from '../fulfil/attempt.ts';
import { endsBefore } from '../fulfil/deadline.ts';
import type { Inbox } from '../inbox/inbox.ts';
import type { State } from '../inbox/verdicts.ts';
import { readEvent, type StripeEvent } from '../shapes/event.ts';
import { verifySignature } from './signature.ts';

export interface WebhookOptions {
  readonly inbox: Inbox;
  readonly attempt: Attempt;
  /** Every secret that may have signed: the endpoint's, and during a roll-over the one before. */
  readonly secrets: readonly string[];
  /** When a delivery is answered at the latest, whatever goes on, in milliseconds. */
  readonly answerWithin: number;
  /** The most events in hand at once; further ones are only stored, and left to the worker. */
  readonly atOnce: number;
}

/** The webhook's routes, and the end of what they started. */
export interface Webhook {
  readonly routes: FastifyPluginAsync;
  /** Resolves when no delivery's event is in hand any more. */
  readonly settled: () => Promise<void>;
}

/** The largest body that is read, in bytes. */
const BODY_LIMIT = 1024 * 1024;

const Receipt = Envelope(
  Type.Object({
    id: Type.String(),
    state: Type.Enum(['received', 'done', 'parked', 'ignored']),
  }),
);

const error = (description: string) => ({ ...Type.Ref(ERROR_BODY), description });

/**
 * `POST /webhooks/stripe`: verify, store, attempt once, answer. 200 says that the event is stored,
 * and done or to be done; an event that could not be stored in time is a 503, so that Stripe sends
 * it again. Duplicates are 200 and start nothing.
 */
export function createWebhook(options: WebhookOptions): Webhook {
  const { inbox, attempt, secrets, answerWithin, atOnce } = options;
  const running = new Set<Promise<State>>();

  async function receive(body: unknown, header: unknown): Promise<{ id: string; state: State }> {
    const until = Date.now() + answerWithin;
    const raw = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    const signature = typeof header === 'string' ? header : undefined;
    const payload = verifySignature(raw, signature, secrets, Date.now());
    const event = readEvent(payload);
    const later = running.size >= atOnce;
    const stored = store(event, payload, later);
    const handled = stored.then(({ state, claim }) => (claim ? attempt(claim) : state));
    track(handled);
    if (!(await endsBefore(until, stored))) {
      // When it is stored after all, its attempt follows, and what Stripe sends again is a duplicate.
      const message = 'The event was not stored in time; send it again.';
      throw new PurserError('database_unavailable', { message });
    }
    return { id: event.id, state: (await endsBefore(until, handled)) ? await handled : 'received' };
  }

  async function store(event: StripeEvent, payload: string, later: boolean) {
    try {
      return await inbox.store(event, payload, { later });
    } catch (cause) {
      throw new PurserError('database_unavailable', { cause });
    }
  }

  function track(handled: Promise<State>): void {
    running.add(handled);
    const forget = () => running.delete(handled);
    handled.then(forget, forget);
  }

  const routes: FastifyPluginAsync = async (app) => {
    // The signature covers the bytes: nothing may parse them first, whatever type they claim.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
      done(null, body);
    });
    app.post(
      '/webhooks/stripe',
      {
        bodyLimit: BODY_LIMIT,
        schema: {
          operationId: 'receiveStripeEvent',
          summary: 'Receive an event from Stripe',
          description: 'The raw body must carry a valid Stripe-Signature header.',
          tags: ['Stripe'],
          security: [],
          response: {
            200: Receipt,
            400: error('The signature does not match the body, or the body is no Stripe event.'),
            413: error('The body is larger than 1 MiB.'),
            503: error('The event could not be stored; Stripe sends it again.'),
          },
        },
      },
      async ({ body, headers }) => ({ data: await receive(body, headers['stripe-signature']) }),
    );
  };

  return {
    routes,
    async settled() {
      await Promise.allSettled(running);
    },
  };
}
