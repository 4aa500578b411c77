import type { ServerResponse } from 'node:http';

/**
 * A response of server-sent events. Nothing is written before the client's connection has taken
 * what was written before, so that a slow client costs two events of memory, however slow it is.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export interface EventStream {
  /** Answers 200, and sends what was to be sent before. */
  readonly open: (headers: Headers) => void;
  /** Sends an event, in the place of one that still waits for the client. */
  readonly send: (id: number, data: unknown) => void;
  /** Sends a line that clients ignore. */
  readonly comment: (text: string) => void;
  /** Keeps events back, but for comments, or lets them go. */
  readonly hold: (held: boolean) => void;
  /** For how long the client has not taken what was written, in milliseconds. */
  readonly stuckFor: (now: number) => number;
  /** Ends the response, or cuts it when the client does not read. */
  readonly end: () => void;
}

type Headers = Readonly<Record<string, number | string | string[] | undefined>>;

const HEADERS = {
  'content-type': 'text/event-stream',
  // A proxy that compresses or collects the answer would keep it to itself.
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
  // No request comes after it.
  connection: 'close',
} as const;

/** Makes the stream of a response of which nothing was sent yet. */
export function createEventStream(response: ServerResponse): EventStream {
  let event = '';
  let comment = '';
  let held = true;
  let writingSince: number | null = null;

  function flush(): void {
    if (writingSince !== null || !response.headersSent || response.destroyed) return;
    const text = held ? comment : comment + event;
    if (text === '') return;
    comment = '';
    if (!held) event = '';
    writingSince = performance.now();
    response.write(text, () => {
      writingSince = null;
      flush();
    });
  }

  function hold(isHeld: boolean): void {
    held = isHeld;
    flush();
  }

  return {
    open(headers) {
      response.writeHead(200, { ...headers, ...HEADERS });
      hold(false);
    },
    send(id, data) {
      event = `id: ${id}\nevent: balance\ndata: ${JSON.stringify(data)}\n\n`;
      flush();
    },
    comment(text) {
      comment = `: ${text}\n\n`;
      flush();
    },
    hold,
    stuckFor: (now) => (writingSince === null ? 0 : now - writingSince),
    end() {
      if (writingSince === null) response.end();
      else response.destroy();
    },
  };
}
