import type { IncomingMessage } from 'node:http';

/**
 * Every value that the request sent for a header (`name` in lower case). Node's `headers` keeps
 * the first of two or joins them, so that a second Authorization or Idempotency-Key goes unseen.
 */
export function headerValues(
  { rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>,
  name: string,
): readonly string[] {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === name) values.push(rawHeaders[i + 1] ?? '');
  }
  return values;
}
