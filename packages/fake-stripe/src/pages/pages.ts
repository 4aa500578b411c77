import type { ApiRequest } from '../api/api.ts';
import type { Deliveries } from '../deliveries.ts';
import type { Life } from '../life/life.ts';
import { Refusal } from '../refusal.ts';
import type { World } from '../world.ts';
import { showCheckout, submitCheckout } from './checkout.ts';
import { html, type Page, page } from './html.ts';
import { showPortal, submitPortal } from './portal.ts';

export interface PageOptions {
  readonly world: World;
  readonly life: Life;
  readonly deliveries: Deliveries;
}

/** The pages that Stripe hosts for a shop. */
export async function answerPage(options: PageOptions, request: ApiRequest): Promise<Page> {
  const { method, url, body } = request;
  const [, area, kind, id = '', ...more] = url.pathname.split('/');
  const where = more.length === 0 ? `${method} ${area}/${kind}` : '';
  try {
    switch (where) {
      case 'GET c/pay':
        return showCheckout(options, id);
      case 'POST c/pay':
        return await submitCheckout(options, id, body);
      case 'GET p/session':
        return showPortal(options, id);
      case 'POST p/session':
        return await submitPortal(options, id, body);
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  return page('There is no such page', html`<p>It may have been of an earlier run.</p>`, 404);
}
