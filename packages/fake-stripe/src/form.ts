/** Stripe's form encoding: `line_items[0][price]=x` is `{ line_items: { 0: { price } } }`. */
export type Form = { readonly [key: string]: Form | string };

/** Decodes the body that the stripe client posts. */
export function decodeForm(body: string): Form {
  const form: Record<string, Form | string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(body)) {
    const path = name.split(/[[\]]+/).filter((key) => key !== '');
    const last = path.pop();
    if (last === undefined) continue;
    let here: Record<string, Form | string> = form;
    for (const key of path) {
      const next = here[key];
      here = here[key] = typeof next === 'object' ? next : Object.create(null);
    }
    here[last] = value;
  }
  return form;
}

/** The text at `path`, or undefined. */
export function textOf(form: Form | string | undefined, ...path: string[]): string | undefined {
  const end = path.reduce<Form | string | undefined>(
    (here, key) => (typeof here === 'object' ? here[key] : undefined),
    form,
  );
  return typeof end === 'string' ? end : undefined;
}
