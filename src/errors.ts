/**
 * Every error that a client can meet, in one table: the stable `code`, its HTTP status and the
 * sentence that is said when the place that fails has nothing better to say.
 */
const ERRORS = {
  invalid_request: [400, 'The request is not valid.'],
  invalid_json: [400, 'The body is not valid JSON.'],
  invalid_signature: [
    400,
    'The Stripe-Signature header is missing, not of this body, or more than 5 minutes off.',
  ],
  invalid_event: [400, 'The signed body is not a Stripe event.'],
  unauthorized: [401, 'A valid Bearer token is required.'],
  insufficient_credits: [402, 'The account has not enough credits.'],
  forbidden: [403, 'This token or key may not do that.'],
  not_found: [404, 'There is nothing at this address.'],
  hold_not_found: [404, 'This account has no such hold.'],
  entry_not_found: [404, 'This account has no such entry.'],
  endpoint_not_found: [404, 'There is no such webhook endpoint.'],
  alert_not_found: [404, 'There is no such alert, or none any more.'],
  method_not_allowed: [
    405,
    'This address does not answer to that method; Allow names those it does.',
  ],
  request_timeout: [408, 'The request took too long to arrive.'],
  idempotency_conflict: [409, 'This Idempotency-Key was used for another request.'],
  no_customer: [409, 'You have bought nothing yet, so there is nothing to manage.'],
  no_payment_method: [409, 'No card is saved; open POST /api/v1/setup-sessions first.'],
  hold_exists: [409, 'This account has had a hold of that id; a hold’s id is used once.'],
  hold_captured: [409, 'The hold was captured already.'],
  hold_released: [409, 'The hold was released already.'],
  hold_expired: [409, 'The hold has expired: what it reserved was released.'],
  capture_exceeds_hold: [409, 'That is more than the hold has reserved.'],
  too_many_holds: [409, 'The account has too many open holds.'],
  too_many_lots: [409, 'The account has too many open lots, and none of the same terms.'],
  too_many_endpoints: [
    409,
    'There are as many webhook endpoints as there may be; delete one first.',
  ],
  not_reversible: [409, 'Only debits and captures can be reversed.'],
  reversal_exceeds_entry: [409, 'That is more than is left to give back of the entry.'],
  balance_limit: [409, 'The balance would pass 2^53 - 1 credits.'],
  payload_too_large: [413, 'The body is too large.'],
  unsupported_media_type: [415, 'The body must be JSON, sent with Content-Type: application/json.'],
  expectation_failed: [417, 'The only expectation that is met here is Expect: 100-continue.'],
  unknown_operation: [422, 'The price list has no such operation.'],
  price_not_for_sale: [422, 'That price is not for sale; GET /api/v1/packs lists what is.'],
  checkout_refused: [422, 'Stripe does not sell this: look at the prices and quantities.'],
  rate_limited: [429, 'Too many requests; wait as long as Retry-After says.'],
  headers_too_large: [431, 'The address and the headers are larger than 16 KiB together.'],
  internal_error: [500, 'Something failed on our side; quote the request id.'],
  stripe_refused: [502, 'Stripe refuses what it was asked for; quote the request id.'],
  stripe_unavailable: [503, 'Stripe cannot be reached; nothing was changed.'],
  database_unavailable: [503, 'The database cannot be reached; nothing was changed.'],
  overloaded: [503, 'Too much is waiting; nothing was changed, try again.'],
  outcome_unknown: [
    503,
    'The connection broke during the commit; retry only with the same Idempotency-Key.',
  ],
  keys_unavailable: [503, 'The keys that sign session tokens cannot be reached.'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type ErrorCode = keyof typeof ERRORS;

interface PurserErrorOptions {
  /** What to tell the caller instead of the table's sentence. Never a secret, token or payload. */
  readonly message?: string;
  /** Further public fields of the error body, such as `balance` and `required` of a 402. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Response headers that belong to this error, such as `WWW-Authenticate`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What went wrong underneath: for the log only. */
  readonly cause?: unknown;
}

/** An error with a public code. Its message and fields reach the caller; its cause only the log. */
export class PurserError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, options: PurserErrorOptions = {}) {
    const [status, message] = ERRORS[code];
    super(options.message ?? message, { cause: options.cause });
    this.name = 'PurserError';
    this.code = code;
    this.status = status;
    this.fields = options.fields ?? {};
    this.headers = { ...(status === 503 && { 'retry-after': '1' }), ...options.headers };
  }
}
