/** The least length of a secret, in bytes: offline crackers for NextAuth cookies are ready-made. */
const MIN_BYTES = 32;
/** How many letters and digits must be left when the words of placeholders are taken away. */
const MIN_UNGUESSED = 16;
const MIN_DISTINCT = 8;

/** What the placeholders of READMEs and `.env.example` files are made of. */
const PLACEHOLDER_WORDS = new RegExp(
  [
    'your|my|this|that|the|some|an|is|in|for|with|to|and|at|least|must|be|do|not|use|here|please',
    'super|very|ultra|long|strong|secure|insecure|safe|random|secret|private|key|value|string',
    'change|replace|me|it|set|put|enter|insert|placeholder|example|sample|default|generated?',
    'next|auth|authjs|jwt|token|session|cookie|sign|encrypt|ing|ion|password|passphrase',
    'prod|uction|develop|dev|ment|local|test|app|minimum|min|characters?|chars?|bytes?',
    'openssl|rand|base64|hex|abcdefghijklmnopqrstuvwxyz|abcdef|0123456789|1234567890|12345',
  ].join('|'),
  'g',
);

/** Secrets that documentation and templates print, and that projects have copied. */
const PUBLISHED: ReadonlySet<string> = new Set([
  // next-auth.js.org, version 3, configuration/options#jwt
  'INp8IvdIyeMcoGAgFGoA61DdBglwwSqnXJZkgz8PSnw',
  // an answer that hundreds of public repositories have copied
  'LlKq6ZtYbr+hTC073mAmAh9/h2HwMfsFo4hrfCx5mLg=',
  // nextacular, .env.sample
  'NArBDTMHof0EGTx66MFpwk3KRHMNTeUfxvLhbYv14eY=',
]);

/**
 * Why `secret` cannot protect session tokens, to be read after its name; null when nothing speaks
 * against it. It never repeats the secret.
 */
export function checkSecret(secret: string): string | null {
  const bytes = Buffer.byteLength(secret);
  if (bytes < MIN_BYTES) {
    return `has ${bytes} bytes where ${MIN_BYTES} are the least; try \`openssl rand -base64 32\``;
  }
  if (PUBLISHED.has(secret) || unguessed(secret) < MIN_UNGUESSED) {
    return 'is a placeholder that others know; try `openssl rand -base64 32`';
  }
  if (isRepetition(secret) || new Set(secret).size < MIN_DISTINCT) {
    return 'repeats a few characters; try `openssl rand -base64 32`';
  }
  return null;
}

function unguessed(secret: string): number {
  const rest = secret.toLowerCase().replace(PLACEHOLDER_WORDS, '');
  return rest.replace(/[^\p{L}\p{N}]/gu, '').length;
}

/** Whether a text is one shorter piece over and over: then it occurs in its double before the end. */
function isRepetition(text: string): boolean {
  return (text + text).indexOf(text, 1) < text.length;
}
