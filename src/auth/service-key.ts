import { hash, randomBytes } from 'node:crypto';

/** Begins every service key, so that people and secret scanners know one when they see it. */
const MARK = 'purser_sk_';
/** How much of a key names it: 48 of its 256 random bits. */
const PREFIX_LENGTH = MARK.length + 8;

/** Whether a Bearer token means to be a service key, well-formed or not. */
export function looksLikeServiceKey(token: string): boolean {
  return token.startsWith(MARK);
}

/** A new key: 32 random bytes in base64url. */
export function makeServiceKey(): string {
  return MARK + randomBytes(32).toString('base64url');
}

/** Whether a text is a key as `makeServiceKey` writes it. */
export function isServiceKey(text: string): boolean {
  const secret = Buffer.from(text.slice(MARK.length), 'base64url');
  return secret.length === 32 && text === MARK + secret.toString('base64url');
}

/** How a key begins: its name, which may be shown. */
export function prefixOf(key: string): string {
  return key.slice(0, PREFIX_LENGTH);
}

/** What is stored of a key, in hex. Plain SHA-256 is right for 256 random bits, and takes 1 µs. */
export function digestOf(key: string): string {
  return hash('sha256', key, 'hex');
}
