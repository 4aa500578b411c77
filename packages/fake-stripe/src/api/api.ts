import { type Shape, shapeOf, type View } from '../objects/object.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { catalogueRoutes } from './catalogue.ts';
import { creditNoteRoutes } from './credit-notes.ts';
import { customerRoutes } from './customers.ts';
import { eventRoutes } from './events.ts';
import { expand } from './expand.ts';
import { decodeForm } from './form.ts';
import { type ApiAnswer, createIdempotency } from './idempotency.ts';
import { invoiceRoutes } from './invoices.ts';
import { paymentRoutes } from './payments.ts';
import type { Routes } from './route.ts';
import { sessionRoutes } from './sessions.ts';
import { subscriptionRoutes } from './subscriptions.ts';

/** A request, with its body read. */
export interface ApiRequest {
  readonly method: string;
  readonly url: URL;
  readonly body: string;
  readonly authorization: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly stripeVersion: string | undefined;
}

export interface ApiOptions {
  readonly world: World;
  readonly viewIn: (shape: Shape) => View;
  /** The shape in which the account's events are kept. */
  readonly accountShape: Shape;
}

const ROUTES: Routes = {
  'GET account': ({ view: { livemode, account: id } }) => ({ id, object: 'account', livemode }),
  ...catalogueRoutes,
  ...customerRoutes,
  ...eventRoutes,
  ...invoiceRoutes,
  ...creditNoteRoutes,
  ...paymentRoutes,
  ...sessionRoutes,
  ...subscriptionRoutes,
};

/** Stripe's API, as far as a shop for credits uses it; it takes keys of its own mode only. */
export function createApi({ world, viewIn, accountShape }: ApiOptions) {
  const idempotency = createIdempotency(world.now);

  function carryOut(request: ApiRequest): ApiAnswer {
    const { method, url, body, stripeVersion } = request;
    const { handler, id } = findRoute(method, url.pathname);
    const call = {
      world,
      view: viewIn(shapeOf(stripeVersion)),
      accountView: viewIn(accountShape),
      form: decodeForm(method === 'POST' ? body : url.search),
      path: url.pathname,
      id,
    };
    try {
      return { status: 200, body: expand(call, handler(call)) };
    } catch (error) {
      if (error instanceof Refusal && error.type === 'card_error') return refusalAnswer(error);
      throw error;
    }
  }

  return function answerApi(request: ApiRequest): ApiAnswer {
    try {
      checkKey(request.authorization, world.mode);
      const { method, url, body, idempotencyKey } = request;
      const key = method === 'POST' ? idempotencyKey : undefined;
      return idempotency.once(key, `${method} ${url.pathname} ${body}`, () => carryOut(request));
    } catch (error) {
      if (error instanceof Refusal) return refusalAnswer(error);
      throw error;
    }
  };
}

function checkKey(authorization: string | undefined, mode: World['mode']): void {
  const key = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1] ?? '';
  if (!key.startsWith(`sk_${mode}_`) && !key.startsWith(`rk_${mode}_`)) {
    throw new Refusal(`This fake takes ${mode} keys only.`, { status: 401 });
  }
}

/** A refusal. Without an `error` member the stripe client would take it for a success. */
export function refusalAnswer({ status, type, message, code, param }: Refusal): ApiAnswer {
  return {
    status,
    body: { error: { type, message, ...(code && { code }), ...(param && { param }) } },
  };
}

/** Ids are where a route has `:id`; no route has more than one. */
function findRoute(method: string, pathname: string) {
  const [, version, ...path] = pathname.split('/').map(decode);
  if (version === 'v1') {
    for (let i = path.length; i >= 0; i--) {
      const name = path.map((part, at) => (at === i ? ':id' : part)).join('/');
      const handler = ROUTES[`${method} ${name}`];
      if (handler) return { handler, id: path[i] ?? '' };
    }
  }
  throw new Refusal(`Unrecognized request URL (${method}: ${pathname}).`, { status: 404 });
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
