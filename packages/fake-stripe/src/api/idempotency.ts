import { Refusal } from '../refusal.ts';

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What has been answered under each Idempotency-Key. */
export interface Idempotency {
  /**
   * Answers with `act`, or with what it answered before under the same key. Refusals are not kept,
   * as Stripe does not keep what failed validation; a declined card is.
   * @param what everything that must be the same: method, path and parameters
   * @throws Refusal when it is not
   */
  readonly once: (key: string | undefined, what: string, act: () => ApiAnswer) => ApiAnswer;
}

/** As many keys as are remembered, and for how many seconds. */
const KEYS = 100_000;
const KEPT = 86_400;

interface Answered {
  readonly what: string;
  readonly answer: ApiAnswer;
  readonly at: number;
}

/**
 * @param now in seconds since 1970
 * @see https://docs.stripe.com/api/idempotent_requests
 */
export function createIdempotency(now: () => number): Idempotency {
  const known = new Map<string, Answered>();
  return {
    once(key, what, act) {
      if (!key) return act();
      if (key.length > 255) throw new Refusal('An Idempotency-Key has up to 255 characters.');
      const last = known.get(key);
      const before = last && now() - last.at < KEPT ? last : undefined;
      if (before && before.what !== what) {
        throw new Refusal(
          'Keys for idempotent requests can only be used with the same parameters they were ' +
            `first used with. Try using a key other than '${key}'.`,
          { type: 'idempotency_error' },
        );
      }
      if (before) return { ...before.answer, headers: { 'idempotent-replayed': 'true' } };
      const answer = act();
      known.set(key, { what, answer, at: now() });
      const [oldest] = known.keys();
      if (known.size > KEYS && oldest !== undefined) known.delete(oldest);
      return answer;
    },
  };
}
