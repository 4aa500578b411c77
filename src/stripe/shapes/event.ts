import { PurserError } from '../../errors.ts';
import { at, isId, isObject, type Json, wholeNumber } from './json.ts';

/** The envelope of a Stripe event, as far as it decides what happens. */
export interface StripeEvent {
  readonly id: string;
  readonly type: string;
  readonly apiVersion: string | null;
  readonly livemode: boolean;
  /** The Connect account that it happened in; null for the account's own events. */
  readonly account: string | null;
  /** In seconds since 1970. */
  readonly created: number;
  /** What it is about, in the shape of the endpoint's API version. */
  readonly object: Json;
}

/** What Stripe tells of an object: by an event, or by the API, which names no event. */
export type Told = Omit<StripeEvent, 'id' | 'apiVersion' | 'livemode'> & {
  readonly id: string | null;
  /** Null where an object of the API says none: it is of the key's mode. */
  readonly livemode: boolean | null;
  /** Whether it was told a while ago, so that the object may have changed since. */
  readonly stale?: boolean;
};

/** An object of the API's, to be carried out like the one in an event of this type. */
export function tellOf(object: Json, type: string): Told {
  const mode = at(object, 'livemode');
  const livemode = typeof mode === 'boolean' ? mode : null;
  return { id: null, type, livemode, account: null, created: 0, object };
}

/** The end of the year 9999: the last second that every Postgres client can read back. */
export const LAST_SECOND = 253_402_300_799;

/**
 * Reads the envelope of an event. A valid signature says nothing about the body: a signed `null`,
 * `[]` or `"x"` is still no event.
 * @throws PurserError `invalid_event`
 */
export function readEvent(payload: string): StripeEvent {
  let body: unknown;
  try {
    body = JSON.parse(payload);
  } catch {
    // Without the parser's error: it quotes the body, which no log may hold.
    throw new PurserError('invalid_event', { message: 'The signed body is not JSON.' });
  }
  if (at(body, 'object') === 'v2.core.event') {
    throw invalid('It is a thin event; this endpoint takes snapshot events.');
  }
  const [id, type] = [at(body, 'id'), at(body, 'type')];
  const [apiVersion, account] = [at(body, 'api_version') ?? null, at(body, 'account') ?? null];
  const [livemode, created] = [at(body, 'livemode'), wholeNumber(at(body, 'created'))];
  const object = at(body, 'data', 'object');
  if (!isId(id) || !id.startsWith('evt_')) throw invalid('Its id is not an event id.');
  if (!isId(type)) throw invalid('Its type is missing.');
  if (apiVersion !== null && !isId(apiVersion)) throw invalid('Its api_version is not a text.');
  if (account !== null && !isId(account)) throw invalid('Its account is not an id.');
  if (typeof livemode !== 'boolean') throw invalid('Its livemode is not a boolean.');
  if (created === null || created < 0 || created > LAST_SECOND) {
    throw invalid('Its created is not a time in seconds.');
  }
  if (!isObject(object)) throw invalid('Its data.object is missing.');
  return { id, type, apiVersion, livemode, account, created, object };
}

function invalid(detail: string): PurserError {
  return new PurserError('invalid_event', {
    message: `The signed body is not a Stripe event. ${detail}`,
  });
}
