import { type LoggedEvent, renderEvent } from '../events.ts';
import { missing, Refusal } from '../refusal.ts';
import { createdFilter, PAGING, page, pageSize } from './list.ts';
import { checkKnown, list, text } from './params.ts';
import type { Call, ListAnswer, Routes } from './route.ts';

/** How long Stripe tells of an event, in seconds. */
const KEPT = 30 * 86_400;

/** What has happened; shown in the account's own API version, whatever the request's is. */
export const eventRoutes: Routes = {
  'GET events': (call) => {
    checkKnown(call.form, [...PAGING, 'created', 'type', 'types']);
    const wanted = wantedEvents(call);
    if (text(call.form, 'ending_before') === undefined) return newestPage(call, wanted);
    const found = call.world.events.since(0).filter(wanted).reverse();
    return page(call, found, (event) => renderEvent(event, call.accountView));
  },
  'GET events/:id': (call) => {
    const event = call.world.events.get(call.id);
    if (!event) throw missing('event', call.id, 'id', 404);
    return renderEvent(event, call.accountView);
  },
};

function wantedEvents({ form, world }: Call): (event: LoggedEvent) => boolean {
  const types = list(form, 'types');
  if (types.length > 20) throw new Refusal('At most 20 types.', { param: 'types' });
  const type = text(form, 'type');
  if (type !== undefined) types.push(type);
  const created = createdFilter(form);
  const oldest = world.now() - KEPT;
  return (event) =>
    event.created >= oldest &&
    created(event.created) &&
    (types.length === 0 || types.some((one) => matches(one, event.type)));
}

/** Goes back from the newest or from `starting_after`, and no further than the page does. */
function newestPage(call: Call, wanted: (event: LoggedEvent) => boolean): ListAnswer {
  const limit = pageSize(call.form);
  const after = text(call.form, 'starting_after');
  const found: LoggedEvent[] = [];
  for (const event of call.world.events.before(after)) {
    if (wanted(event)) found.push(event);
    if (found.length > limit) break;
  }
  return {
    object: 'list',
    data: found.slice(0, limit).map((event) => renderEvent(event, call.accountView)),
    has_more: found.length > limit,
    url: call.path,
  };
}

/** `invoice.*` stands for every event of invoices. */
export function matches(wanted: unknown, type: string): boolean {
  if (wanted === '*') return true;
  return typeof wanted === 'string' && wanted.endsWith('.*')
    ? type.startsWith(wanted.slice(0, -1))
    : wanted === type;
}
