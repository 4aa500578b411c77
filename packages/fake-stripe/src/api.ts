import { decodeForm, type Form, textOf } from './form.ts';
import type { LineOptions, StripeObject } from './objects.ts';
import type { Store } from './store.ts';

/** A request, with its body read. */
export interface ApiRequest {
  readonly method: string;
  readonly url: URL;
  readonly body: string;
  readonly authorization: string | undefined;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

const ok = (body: unknown): ApiAnswer => ({ status: 200, body });

/** A refusal. Without an `error` member the stripe client would take it for a success. */
export const refuse = (status: number, message: string, code?: string): ApiAnswer => ({
  status,
  body: { error: { type: 'invalid_request_error', message, ...(code && { code }) } },
});

const ACCOUNT = 'acct_sim_1';

/** Stripe's API, as far as Purser uses it. */
export function answerApi(store: Store, request: ApiRequest): ApiAnswer {
  const key = /^Bearer (\S+)$/.exec(request.authorization ?? '')?.[1] ?? '';
  if (!/^(sk|rk)_test_/.test(key)) return refuse(401, 'This fake takes test keys only.');
  const { method, url } = request;
  const [, version, ...path] = url.pathname.split('/');
  if (version !== 'v1') return unknownRoute(request);
  const route = `${method} ${path.map((part, i) => (isId(path, i) ? ':id' : part)).join('/')}`;
  const id = path.find((_, i) => isId(path, i)) ?? '';
  switch (route) {
    case 'GET account':
      return ok({ id: ACCOUNT, object: 'account', livemode: false });
    case 'GET prices':
      return page([...store.prices.values()], url);
    case 'GET prices/:id':
      return found(store.prices.get(id), 'price', id);
    case 'POST checkout/sessions':
      return createSession(store, decodeForm(request.body));
    case 'GET checkout/sessions/:id':
      return found(store.sessions.get(id)?.object, 'checkout session', id);
    case 'GET checkout/sessions/:id/line_items':
      return listOf(store.sessions.get(id)?.lines, url, 'checkout session', id);
    case 'GET invoices/:id':
      return found(store.invoices.get(id)?.object, 'invoice', id);
    case 'GET invoices/:id/lines':
      return listOf(store.invoices.get(id)?.lines, url, 'invoice', id);
    default:
      return unknownRoute(request);
  }
}

/** The part of a path that follows a collection's name is an id. */
function isId(path: readonly string[], i: number): boolean {
  return ['sessions', 'invoices', 'prices'].includes(path[i - 1] ?? '');
}

function unknownRoute({ method, url }: ApiRequest): ApiAnswer {
  return refuse(404, `Unrecognized request URL (${method}: ${url.pathname}).`);
}

function found(object: StripeObject | undefined, kind: string, id: string): ApiAnswer {
  return object ? ok(object) : refuse(404, `No such ${kind}: '${id}'`, 'resource_missing');
}

function listOf(
  items: readonly StripeObject[] | undefined,
  url: URL,
  kind: string,
  id: string,
): ApiAnswer {
  return items ? page(items, url) : found(undefined, kind, id);
}

/** @see https://docs.stripe.com/api/pagination */
function page(items: readonly StripeObject[], url: URL): ApiAnswer {
  const limit = Number(url.searchParams.get('limit') ?? 10);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) return refuse(400, 'Invalid limit.');
  const after = url.searchParams.get('starting_after');
  const start = after === null ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== null && start === 0) return refuse(400, `No such item: '${after}'`);
  return ok({
    object: 'list',
    data: items.slice(start, start + limit),
    has_more: start + limit < items.length,
    url: url.pathname,
  });
}

function createSession(store: Store, form: Form): ApiAnswer {
  const mode = textOf(form, 'mode') ?? 'payment';
  if (mode !== 'payment' && mode !== 'subscription' && mode !== 'setup') {
    return refuse(400, `Invalid mode: ${mode}`);
  }
  const items = typeof form['line_items'] === 'object' ? Object.values(form['line_items']) : [];
  const lines: LineOptions[] = items.map((item) => ({
    price: textOf(item, 'price') ?? '',
    quantity: Number(textOf(item, 'quantity') ?? 1),
  }));
  if (mode !== 'setup' && (lines.length === 0 || lines.some(({ price }) => price === ''))) {
    return refuse(400, 'Every line item needs a price.', 'parameter_missing');
  }
  const metadata = (form['metadata'] ?? {}) as Record<string, string>;
  return ok(
    store.createSession({
      lines,
      mode,
      metadata: { ...metadata },
      customer: textOf(form, 'customer') ?? null,
      successUrl: textOf(form, 'success_url') ?? null,
      cancelUrl: textOf(form, 'cancel_url') ?? null,
    }),
  );
}
