import { renderEvent } from '../events.ts';
import { missing, Refusal } from '../refusal.ts';
import { filtered, page } from './list.ts';
import { list } from './params.ts';
import type { Routes } from './route.ts';

/** How long Stripe tells of an event, in seconds. */
const KEPT = 30 * 86_400;

/** What has happened; shown in the account's own API version, whatever the request's is. */
export const eventRoutes: Routes = {
  'GET events': (call) => {
    const types = list(call.form, 'types');
    if (types.length > 20) throw new Refusal('At most 20 types.', { param: 'types' });
    const oldest = call.world.now() - KEPT;
    const events = call.world.events
      .since(0)
      .filter(
        ({ created, type }) =>
          created >= oldest && (types.length === 0 || types.some((one) => matches(one, type))),
      );
    // `types` is read above, as a list.
    const found = filtered(call.form, events, { type: ({ type }) => type, types: () => '' });
    return page(call, found.reverse(), (event) => renderEvent(event, call.accountView));
  },
  'GET events/:id': (call) => {
    const event = call.world.events.get(call.id);
    if (!event) throw missing('event', call.id, 'id', 404);
    return renderEvent(event, call.accountView);
  },
};

/** `invoice.*` stands for every event of invoices. */
export function matches(wanted: unknown, type: string): boolean {
  if (wanted === '*') return true;
  return typeof wanted === 'string' && wanted.endsWith('.*')
    ? type.startsWith(wanted.slice(0, -1))
    : wanted === type;
}
