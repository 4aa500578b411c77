import { setTimeout as delay } from 'node:timers/promises';
import type { ApiRequest } from './api/api.ts';
import type { ApiAnswer } from './api/idempotency.ts';

type Kind =
  /** Answers with this status: 500, 429, 401 … */
  | { readonly kind: 'error'; readonly status: number }
  /** Takes so many milliseconds longer; its Idempotency-Key is in use meanwhile. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** Never answers. */
  | { readonly kind: 'silence' }
  /** Closes the connection. */
  | { readonly kind: 'reset' };

/** What is wrong with the API, and with which requests. */
export type Fault = Kind & {
  readonly method?: string;
  /** How the path begins, such as `/v1/refunds`; all paths when it is left out. */
  readonly path?: string;
  /** How many requests it hits; all of them, until it is cleared, when it is left out. */
  readonly times?: number;
  /** The request is carried out first: it failed for the client only. */
  readonly after?: boolean;
};

export interface Faults {
  /** Replaces all faults; null clears them. */
  readonly set: (faults: Fault | readonly Fault[] | null) => void;
  /** Carries a request out, and lets it fail where a fault says so; null resets the connection. */
  readonly around: (request: ApiRequest, act: () => ApiAnswer) => Promise<ApiAnswer | null>;
}

const FOR_EVER = 2 ** 31 - 1;

export function createFaults(signal: AbortSignal): Faults {
  let faults: { readonly fault: Fault; left: number }[] = [];
  const inUse = new Set<string>();

  function take({ method, url }: ApiRequest): Fault | undefined {
    const hit = faults.find(
      ({ fault, left }) =>
        left > 0 &&
        (fault.method ?? method) === method &&
        url.pathname.startsWith(fault.path ?? ''),
    );
    if (hit) hit.left -= 1;
    return hit?.fault;
  }

  return {
    set(next) {
      const list: readonly Fault[] = next === null ? [] : 'kind' in next ? [next] : next;
      faults = list.map((fault) => ({ fault, left: fault.times ?? Number.POSITIVE_INFINITY }));
    },
    async around(request, act) {
      const key = request.idempotencyKey ?? '';
      if (inUse.has(key)) return conflict();
      const fault = take(request);
      if (!fault) return act();
      const answer = fault.after ? act() : null;
      switch (fault.kind) {
        case 'error':
          return failure(fault.status);
        case 'slow':
          if (key && !answer) inUse.add(key);
          await delay(fault.ms, null, { signal });
          inUse.delete(key);
          return answer ?? act();
        case 'silence':
          await delay(FOR_EVER, null, { signal });
          return null;
        case 'reset':
          return null;
      }
    },
  };
}

/** @see https://docs.stripe.com/error-codes#idempotency-key-in-use */
function conflict(): ApiAnswer {
  const message = 'There is currently another in-progress request using this Idempotency-Key.';
  const error = { type: 'invalid_request_error', code: 'idempotency_key_in_use', message };
  return { status: 409, body: { error } };
}

function failure(status: number): ApiAnswer {
  const type = status >= 500 ? 'api_error' : 'invalid_request_error';
  const code = status === 429 ? { code: 'rate_limit' } : {};
  return { status, body: { error: { type, ...code, message: 'The fake was told to fail.' } } };
}
