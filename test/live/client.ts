import { onTestFinished } from 'vitest';
import type { TestApp } from '../support/app.ts';

export const OWN = '/api/v1/me/credits/stream';
export const streamOf = (userId: string) => `/api/v1/users/${userId}/credits/stream`;

/** An event, as it came. */
interface BalanceEvent {
  readonly id: number;
  readonly data: {
    readonly balance: number;
    readonly available: number;
    readonly held: number;
    readonly seq: number;
  };
}

/** A stream as its client sees it, over a connection of its own. */
export interface Listener {
  readonly status: number;
  readonly headers: Headers;
  /** The next event; fails when the stream ends before. */
  readonly next: () => Promise<BalanceEvent>;
  /** The next event after which the seq is at least that. */
  readonly until: (seq: number) => Promise<BalanceEvent>;
  /** The next comment; fails on an event. */
  readonly comment: () => Promise<string>;
  /** All that comes until the end. */
  readonly rest: () => Promise<string>;
  readonly leave: () => void;
}

/** Opens a stream; the end of the test leaves it. */
export async function listen(
  url: string,
  path: string,
  token: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Listener> {
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const response = await fetch(url + path, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    signal: leaving.signal,
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';

  async function read(): Promise<boolean> {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    text += value ?? '';
    return !done;
  }

  /** The next part that ends with an empty line. */
  async function part(): Promise<string> {
    while (!text.includes('\n\n')) {
      if (!(await read())) throw new Error(`the stream ended, with ${JSON.stringify(text)}`);
    }
    const end = text.indexOf('\n\n');
    const found = text.slice(0, end);
    text = text.slice(end + 2);
    return found;
  }

  async function next(): Promise<BalanceEvent> {
    for (;;) {
      const lines = await part();
      const found = /^id: (\d+)\nevent: balance\ndata: (.*)$/.exec(lines);
      if (found) return { id: Number(found[1]), data: JSON.parse(found[2] ?? '') };
      if (!/^: .*$/.test(lines)) throw new Error(`neither event nor comment: ${lines}`);
    }
  }

  return {
    status: response.status,
    headers: response.headers,
    next,
    async until(seq) {
      for (;;) {
        const event = await next();
        if (event.id >= seq) return event;
      }
    },
    async comment() {
      const lines = await part();
      if (!lines.startsWith(': ')) throw new Error(`no comment: ${lines}`);
      return lines;
    },
    async rest() {
      while (await read());
      return text;
    },
    leave: () => leaving.abort(),
  };
}

/** Opens the stream of a user with the user's own token. */
export const listenAs = async (api: TestApp, userId: string, headers = {}): Promise<Listener> =>
  listen(api.url, OWN, await api.tokenOf(userId), headers);
