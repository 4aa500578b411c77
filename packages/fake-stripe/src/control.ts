import { hash } from 'node:crypto';
import { type ApiAnswer, type ApiRequest, refuse } from './api.ts';
import type { Store } from './store.ts';

/** What another process may ask of the fake: to play the buyer. Answers the event to deliver. */
export function answerControl(store: Store, { method, url, body }: ApiRequest): ApiAnswer {
  const [, , door, id, action] = url.pathname.split('/');
  if (method === 'POST' && door === 'purchases') return buy(store, body);
  if (method === 'POST' && door === 'sessions' && id && action === 'complete') {
    if (!store.sessions.has(id)) return refuse(404, `No such checkout session: '${id}'`);
    return { status: 200, body: store.completeSession(id) };
  }
  return refuse(404, `There is no ${method} ${url.pathname}.`);
}

/** Body `{ user_id, price, quantity? }`: a session in payment mode, paid at once. */
function buy(store: Store, body: string): ApiAnswer {
  let purchase: { user_id?: unknown; price?: unknown; quantity?: unknown };
  try {
    purchase = Object(JSON.parse(body));
  } catch {
    return refuse(400, 'The body is not JSON.');
  }
  const { user_id: userId, price, quantity = 1 } = purchase;
  if (typeof userId !== 'string' || userId === '') return refuse(400, 'user_id is missing.');
  if (typeof price !== 'string' || price === '') return refuse(400, 'price is missing.');
  if (!Number.isInteger(quantity) || (quantity as number) < 1) {
    return refuse(400, 'quantity is a whole number from 1 on.');
  }
  const customer = `cus_sim_${hash('sha256', userId, 'hex').slice(0, 14)}`;
  const lines = [{ price, quantity: quantity as number }];
  const { id } = store.createSession({ userId, customer, lines });
  return { status: 200, body: store.completeSession(id) };
}
