/** Stripe's form encoding: `line_items[0][price]=x` is `{ line_items: { 0: { price } } }`. */
export type Form = { readonly [key: string]: Form | string };

/** No parameter of Stripe's lies deeper. */
const DEPTH = 8;

/** Decodes a body that the stripe client posts, or a query; `types[]=a` is `{ types: { 0: a } }`. */
export function decodeForm(body: string): Form {
  const form: Record<string, Form | string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(body)) {
    const path = pathOf(name);
    const last = path.pop();
    if (last === undefined || path.length >= DEPTH) continue;
    let here: Record<string, Form | string> = form;
    for (const key of path) {
      const next = here[key];
      here = here[key] = typeof next === 'object' ? next : Object.create(null);
    }
    here[last === '' ? String(Object.keys(here).length) : last] = value;
  }
  return form;
}

/** `a[b][]` is a, b and the empty key, which stands for the next index. */
function pathOf(name: string): string[] {
  const [head = '', ...rest] = name.split('[');
  return [head, ...rest.map((key) => key.replace(/\]$/, ''))];
}
