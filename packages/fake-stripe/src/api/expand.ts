import { listWithin, type StripeObject } from '../objects/object.ts';
import { render } from '../objects/render.ts';
import { renderSessionLine } from '../objects/session.ts';
import { Refusal } from '../refusal.ts';
import { list } from './params.ts';
import type { Answer, Call } from './route.ts';

type Node = { [field: string]: unknown };

/** Puts objects where the answer has ids, as `expand` asks. */
export function expand(call: Call, answer: Answer): Answer {
  const paths = list(call.form, 'expand');
  if (paths.length === 0) return answer;
  // A rendered answer shares parts with records, which must not change.
  const copy = structuredClone(answer) as Answer & Node;
  for (const path of paths) {
    if (typeof path !== 'string') continue;
    const keys = path.split('.');
    if (keys.length > 4) throw new Refusal('You can expand at most 4 levels.', { param: 'expand' });
    expandAt(call, copy, keys, path);
  }
  return copy;
}

function expandAt(call: Call, node: Node, keys: readonly string[], path: string): void {
  const [key, ...rest] = keys;
  if (key === undefined) return;
  const value = node[key] ?? included(call, node, key);
  if (value === undefined) {
    if (key in node) return;
    throw new Refusal(`This property cannot be expanded (${path}).`, { param: 'expand' });
  }
  node[key] = value;
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      const object = objectOf(call, item);
      value[i] = object;
      expandAt(call, object, rest, path);
    }
    return;
  }
  const object = value === null ? null : objectOf(call, value);
  if (!object) return;
  node[key] = object;
  if (!(key in node) || rest.length > 0) expandAt(call, object, rest, path);
}

/** The object that an id names, or the part of an object that `value` is. */
function objectOf({ world, view }: Call, value: unknown): Node {
  if (typeof value === 'object' && value !== null) return value as Node;
  const record = world.store.find(String(value));
  if (!record) throw new Refusal('This property cannot be expanded.', { param: 'expand' });
  return structuredClone(render(record, view)) as Node;
}

/** Lists that an object has only when they are asked for. */
function included(
  { world, view }: Call,
  node: Node,
  key: string,
): StripeObject | object | undefined {
  const { id, object } = node as Partial<StripeObject>;
  if (typeof id !== 'string') return undefined;
  if (object === 'checkout.session' && key === 'line_items') {
    const { lines } = world.store.need('checkout.session', id);
    return listWithin(
      `/v1/checkout/sessions/${id}/line_items`,
      lines.map((line) => renderSessionLine(line, view)),
    );
  }
  if (object === 'invoice' && key === 'payments') {
    const payments = world.store.naming('invoice_payment', 'invoice', id);
    return listWithin(
      `/v1/invoice_payments?invoice=${id}`,
      payments.map((payment) => render(payment, view)),
    );
  }
  if (object === 'charge' && key === 'refunds') {
    const refunds = world.store.naming('refund', 'charge', id);
    return listWithin(
      `/v1/charges/${id}/refunds`,
      refunds.reverse().map((refund) => render(refund, view)),
    );
  }
  return undefined;
}
