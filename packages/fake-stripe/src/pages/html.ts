/** A page, or a redirection. */
export interface Page {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly html: string;
}

/** Text that is HTML already, and safe. */
export interface Html {
  readonly html: string;
}

/** A template whose values are escaped unless they are HTML already. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  return { html: String.raw({ raw: strings }, ...values.map(textOf)) };
}

type Part = string | number | Html | readonly Html[];

function textOf(part: Part): string {
  if (typeof part === 'string' || typeof part === 'number') return escaped(String(part));
  return 'html' in part ? part.html : part.map((one) => one.html).join('');
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** Cents as a price: `$5.00`. */
export function money(cents: number, currency: string | null): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency: currency ?? 'usd' });
  return format.format(cents / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1a1a1a; --dim: #555; --line: #8884; --ground: #fff;
  --warn: #7a4b00; --warn-ground: #fff3d6; --button: #0b57d0; --on-button: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #eee; --dim: #b5b5b5; --ground: #16181b;
  --warn: #ffdf9e; --warn-ground: #3a2c0a; --button: #a8c7fa; --on-button: #062e6f; } }
* { box-sizing: border-box; }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
header { padding: .75rem 1rem; text-align: center; font-weight: 700; color: var(--warn);
  background: var(--warn-ground); }
main { max-width: 32rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; }
table { width: 100%; border-collapse: collapse; margin: 0 0 1.25rem; }
th, td { padding: .6rem .5rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th:first-child, td:first-child { padding-left: 0; }
.amount { text-align: right; padding-right: 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
tfoot th, tfoot td { border: 0; font-weight: 700; font-size: 1.1rem; }
.dim { color: var(--dim); font-size: .875rem; }
input[type=number] { width: 5rem; font: inherit; padding: .35rem .5rem; }
button { display: block; width: 100%; font: inherit; font-weight: 600; padding: .75rem 1rem;
  margin: 0 0 .75rem; border-radius: .5rem; border: 2px solid var(--button); cursor: pointer;
  color: var(--button); background: transparent; }
button.main { color: var(--on-button); background: var(--button); }
button.small { display: inline-block; width: auto; padding: .35rem .75rem; margin: 0; }
:focus-visible { outline: 3px solid var(--button); outline-offset: 2px; }
a { color: var(--button); }
.error { border-left: 4px solid #d33; padding: .25rem .75rem; }
`;

const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  // No form-action: browsers hold it against the redirection to the shop, too.
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

export function page(title: string, content: Html, status = 200): Page {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} (simulated)</title>
<style>${{ html: STYLE }}</style>
</head>
<body>
<header role="note">SIMULATED — no money moves. This is not Stripe.</header>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`;
  return { status, headers: HEADERS, html: document.html };
}

/** @param to a URL that the shop has given, or a path of the fake's own */
export function redirect(to: string): Page {
  return { status: 303, headers: { location: to, 'cache-control': 'no-store' }, html: '' };
}
