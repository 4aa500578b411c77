import { decodeForm } from '../api/form.ts';
import { text } from '../api/params.ts';
import { sum } from '../objects/object.ts';
import type { PortalSessionRecord } from '../objects/portal-session.ts';
import type { SubscriptionRecord } from '../objects/subscription.ts';
import { Refusal } from '../refusal.ts';
import { type Html, html, money, type Page, page, redirect } from './html.ts';
import type { PageOptions } from './pages.ts';

const WITHIN = 5_000;

/** `/p/session/:id`: where a customer looks after subscriptions. */
export function showPortal({ world }: PageOptions, id: string, problem = ''): Page {
  const session = world.store.need('billing_portal.session', id);
  const subscriptions = subscriptionsOf(world, session);
  const back = session.returnUrl;
  return page(
    'Your subscriptions',
    html`${problem === '' ? '' : html`<p class="error" role="alert">${problem}</p>`}
${subscriptions.length === 0 ? html`<p>There are none.</p>` : subscriptions.map(entry)}
${back === null ? '' : html`<p><a href="${back}">Back to the shop</a></p>`}`,
  );
}

const subscriptionsOf = ({ store }: PageOptions['world'], { customer }: PortalSessionRecord) =>
  store.naming('subscription', 'customer', customer);

function entry(subscription: SubscriptionRecord): Html {
  const { id, items, status, currency, periodEnd, cancelAtPeriodEnd } = subscription;
  const names = items.map(({ price, quantity }) => `${quantity} × ${price.nickname ?? price.id}`);
  const amount = sum(items.map(({ price, quantity }) => price.unitAmount * quantity));
  const until = new Date(periodEnd * 1000).toISOString().slice(0, 10);
  const ends = cancelAtPeriodEnd ? 'ends' : 'renews';
  return html`<form method="post">
<input type="hidden" name="subscription" value="${id}">
<p><strong>${names.join(', ')}</strong><br>
${money(amount, currency)} a period<br>
<span class="dim">${status}${status === 'canceled' ? '' : `; ${ends} on ${until}`}</span></p>
${
  status === 'canceled'
    ? ''
    : html`<button class="main" name="choice" value="renew">Renew now</button>
<button name="choice" value="cancel">Cancel</button>`
}
</form>
`;
}

export async function submitPortal(options: PageOptions, id: string, body: string): Promise<Page> {
  const { world, life, deliveries } = options;
  const session = world.store.need('billing_portal.session', id);
  const form = decodeForm(body);
  const wanted = text(form, 'subscription');
  // A portal session is for one customer only.
  const known = subscriptionsOf(world, session).find((one) => one.id === wanted);
  const mark = world.events.length();
  try {
    if (known && text(form, 'choice') === 'renew') life.renewSubscription(known.id);
    if (known && text(form, 'choice') === 'cancel') life.cancelSubscription(known.id);
  } catch (error) {
    if (error instanceof Refusal) return showPortal(options, id, error.message);
    throw error;
  }
  await deliveries.delivered(mark, WITHIN);
  return redirect(`/p/session/${id}`);
}
