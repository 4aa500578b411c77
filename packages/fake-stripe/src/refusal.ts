/** What Stripe answers instead of an object. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string | undefined;
  readonly param: string | undefined;
  readonly type: string;

  constructor(
    message: string,
    {
      status = 400,
      code,
      param,
      type = 'invalid_request_error',
    }: { status?: number; code?: string; param?: string; type?: string } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
    this.type = type;
  }
}

/** A payment that was tried and failed: unlike other refusals it is an outcome, and is kept. */
export function cardError(code: string): Refusal {
  return new Refusal('Your card was declined.', { status: 402, code, type: 'card_error' });
}

/** @param status 404 for what a path names, 400 for what a parameter names */
export function missing(what: string, id: string, param: string, status = 400): Refusal {
  return new Refusal(`No such ${what}: '${id}'`, { status, code: 'resource_missing', param });
}
