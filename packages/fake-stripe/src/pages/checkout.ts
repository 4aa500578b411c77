import { decodeForm } from '../api/form.ts';
import { integer, map, text } from '../api/params.ts';
import { changeQuantities } from '../life/session-lines.ts';
import { currentSession } from '../life/sessions.ts';
import { type SessionLine, type SessionRecord, sessionTotal, totalOf } from '../objects/session.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { type Html, html, money, type Page, page, redirect } from './html.ts';
import { isServed } from './is-served.ts';
import type { PageOptions } from './pages.ts';

/** How long the buyer waits for the webhooks before being sent back, in milliseconds. */
const WITHIN = 5_000;

/** `/c/pay/:session`: where the buyer pays. */
export function showCheckout({ world }: PageOptions, id: string, problem = ''): Page {
  const session = currentSession(world, id);
  if (session.status === 'expired') {
    return page('This checkout has expired', html`<p>Go back to the shop and start anew.</p>`, 410);
  }
  return session.status === 'open' ? openPage(session, problem) : completePage(world, session);
}

/** What the buyer has chosen on that page. */
export async function submitCheckout(
  options: PageOptions,
  id: string,
  body: string,
): Promise<Page> {
  const { world } = options;
  const session = currentSession(world, id);
  const form = decodeForm(body);
  const choice = text(form, 'choice');
  const back = `/c/pay/${id}`;
  try {
    if (choice === 'succeed' || choice === 'fail') return await settle(options, session, choice);
    if (session.status !== 'open') return redirect(back);
    if (choice === 'cancel') return await leadTo(session.cancelUrl, back);
    changeQuantities(world, session, quantitiesOf(map(form, 'quantity')));
    if (choice === 'pay') return await pay(options, session, 'card');
    if (choice === 'slow') return await pay(options, session, 'slow');
    return redirect(back);
  } catch (error) {
    if (error instanceof Refusal) return showCheckout(options, id, error.message);
    throw error;
  }
}

function quantitiesOf(form: ReturnType<typeof map>): Record<string, number> {
  return Object.fromEntries(Object.keys(form).map((line) => [line, integer(form, line) ?? 1]));
}

async function pay(
  { world, life, deliveries }: PageOptions,
  { id }: SessionRecord,
  method: 'card' | 'slow',
): Promise<Page> {
  const mark = world.events.length();
  life.paySession(id, { method });
  await deliveries.delivered(mark, WITHIN);
  const session = world.store.need('checkout.session', id);
  const waits = session.paymentStatus === 'unpaid';
  return leadTo(waits ? null : returnUrl(session), `/c/pay/${id}`);
}

/** Back to the shop, or to this page when it named no address or does not run. */
async function leadTo(shop: string | null, back: string): Promise<Page> {
  return redirect(shop !== null && (await isServed(shop)) ? shop : back);
}

async function settle(
  { world, life, deliveries }: PageOptions,
  { id }: SessionRecord,
  choice: 'succeed' | 'fail',
): Promise<Page> {
  const mark = world.events.length();
  life.endSlowPayment(id, choice === 'succeed' ? 'succeeded' : 'failed');
  await deliveries.delivered(mark, WITHIN);
  return redirect(`/c/pay/${id}`);
}

/** @see https://docs.stripe.com/payments/checkout/custom-success-page */
function returnUrl({ successUrl, id }: SessionRecord): string | null {
  return successUrl?.replaceAll('{CHECKOUT_SESSION_ID}', id) ?? null;
}

function openPage(session: SessionRecord, problem: string): Page {
  const { lines, mode, currency, trialDays } = session;
  const adjustable = lines.some((line) => line.adjustable);
  const total = sessionTotal(session);
  const title = mode === 'setup' ? 'Save a payment method' : 'Checkout';
  const label = mode === 'setup' ? 'Save' : total === 0 ? 'Complete order' : 'Pay';
  return page(
    title,
    html`${problem === '' ? '' : html`<p class="error" role="alert">${problem}</p>`}
<form method="post">
${mode === 'setup' ? '' : table(lines, money(total, currency))}
${trialDays > 0 ? html`<p>Free for ${trialDays} days; nothing is due today.</p>` : ''}
${adjustable ? html`<button name="choice" value="update">Update total</button>` : ''}
<button class="main" name="choice" value="pay">${label}</button>
${
  mode === 'setup' || total === 0
    ? ''
    : html`<button name="choice" value="slow">Pay with a slow method</button>
<p class="dim">A slow method, such as a bank debit, succeeds or fails only later.</p>`
}
${session.cancelUrl === null ? '' : html`<button name="choice" value="cancel">Cancel</button>`}
</form>`,
  );
}

function table(lines: readonly SessionLine[], total: string): Html {
  return html`<table>
<thead><tr><th scope="col">Item</th><th scope="col">Quantity</th><th scope="col" class="amount">Amount</th></tr></thead>
<tbody>${lines.map(row)}</tbody>
<tfoot><tr><th scope="row" colspan="2">Total</th><td class="amount">${total}</td></tr></tfoot>
</table>`;
}

function row(line: SessionLine): Html {
  const { id, price, description, quantity, adjustable, discount } = line;
  const each = money(price.unitAmount, price.currency);
  const rhythm = price.recurring ? ` a ${price.recurring.interval}` : '';
  const choice = adjustable
    ? html`<input type="number" name="quantity[${id}]" value="${quantity}" required
 min="${adjustable.minimum}" max="${adjustable.maximum}" aria-label="Quantity of ${description}">`
    : html`${quantity}`;
  return html`<tr>
<td>${description}<br><span class="dim">${each}${rhythm} each</span>${
    discount === 0 ? '' : html`<br><span class="dim">− ${money(discount, price.currency)}</span>`
  }</td>
<td>${choice}</td>
<td class="amount">${money(totalOf(line), price.currency)}</td>
</tr>
`;
}

function completePage({ store }: World, session: SessionRecord): Page {
  const back = returnUrl(session);
  const link = back === null ? '' : html`<p><a href="${back}">Back to the shop</a></p>`;
  const invoice = session.invoice === null ? undefined : store.get('invoice', session.invoice);
  const id = session.paymentIntent ?? invoice?.paymentIntent;
  const payment = id ? store.get('payment_intent', id) : undefined;
  if (session.paymentStatus === 'unpaid' && payment?.failure) {
    return page('The payment failed', html`<p>The shop has been told.</p>${link}`);
  }
  if (payment?.status === 'requires_capture') {
    return page('Authorized', html`<p>The shop takes the money when it captures it.</p>${link}`);
  }
  if (session.paymentStatus !== 'unpaid') {
    return page('Paid', html`<p>This checkout is complete.</p>${link}`);
  }
  return page(
    'The payment is under way',
    html`<p>The shop has been told that the order is complete, but not paid yet. What becomes of it?</p>
<form method="post">
<button class="main" name="choice" value="succeed">Let it succeed</button>
<button name="choice" value="fail">Let it fail</button>
</form>
${link}`,
  );
}
