import { type Static, Type } from 'typebox';
import { Envelope, ERROR_BODY } from '../envelope.ts';
import { MAX_AMOUNT } from '../ledger/command.ts';
import type { Entry as LedgerEntry } from '../ledger/entry.ts';
import type { Balance as LedgerBalance } from '../ledger/read.ts';

/**
 * Text that Postgres can store and a person can read: no NUL or other control characters but line
 * breaks and tabs, no lone surrogates (the `u` flag reads a pair as one character).
 */
const READABLE = '^[^\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F\\uD800-\\uDFFF]*$';
const PRINTABLE_ASCII = '^[\\x20-\\x7E]+$';
const SEQ = '^[1-9][0-9]{0,14}$';

/** What is wrong with a text that a pattern does not match, to be read after the field's name. */
export const PATTERNS: Readonly<Record<string, string>> = {
  [READABLE]: 'must hold no control characters and no halves of surrogate pairs',
  [PRINTABLE_ASCII]: 'must hold only printable ASCII characters',
  [SEQ]: 'must be the next_cursor of the page before',
};

const credits = (description: string) => Type.Integer({ description });

/** An amount of credits in a request. */
export const Amount = Type.Integer({
  minimum: 1,
  maximum: MAX_AMOUNT,
  description: 'Whole credits.',
});

export const Cursor = Type.String({
  pattern: SEQ,
  description: 'The next_cursor of the page before.',
});

/** For routes without query parameters: one that is sent was meant for something. */
export const NoQuery = Type.Object({}, { additionalProperties: false });

export const Reason = Type.String({
  maxLength: 1000,
  pattern: READABLE,
  description: 'Why, for the people who read the statement.',
  examples: ['render'],
});

export const Ref = Type.String({
  maxLength: 255,
  pattern: READABLE,
  description: 'Your own name for what this was, such as a job or an order.',
  examples: ['job-43'],
});

const balanceFields = {
  balance: credits('What the account holds, reserved credits included.'),
  available: credits('What can be spent now.'),
  held: credits('What open holds reserve.'),
};

export const Balance = Type.Object(balanceFields);

const entryFields = {
  id: Type.String({ format: 'uuid' }),
  seq: Type.Integer({ description: 'The place in the account’s history: 1, 2, 3 … without gaps.' }),
  delta: credits('The change of the balance.'),
  kind: Type.Enum([
    ...['purchase', 'included', 'bonus', 'adjustment', 'debit'],
    ...['expiry', 'clawback', 'reinstatement'],
  ] as const),
  reason: Type.Union([Type.String(), Type.Null()]),
  ref: Type.Union([Type.String(), Type.Null()]),
  created_at: Type.String({ format: 'date-time' }),
};

export const Debited = Type.Object({ ...balanceFields, entry: Type.Object(entryFields) });

export const StatementEntry = Type.Object({
  ...entryFields,
  balance: credits('The balance after this entry.'),
  held: credits('What open holds reserved after this entry.'),
  actor: Type.String({ description: 'Who caused it: user, stripe, system, key:…, operator:….' }),
  lot: Type.Union([Type.Integer(), Type.Null()], {
    description: 'What came in: the seq of the lot that took the credits.',
  }),
  expires_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
    description: 'What came in: when what is left of its lot expires; null for never.',
  }),
  payment: Type.Union([Type.String(), Type.Null()], {
    description: 'The checkout session or invoice that it grants, claws back or reinstates.',
  }),
  reverses_seq: Type.Union([Type.Integer(), Type.Null()], {
    description: 'For a clawback or reinstatement: the seq of the grant whose credits it moves.',
  }),
  draws: Type.Union(
    [Type.Array(Type.Object({ lot: Type.Integer(), amount: Type.Integer() })), Type.Null()],
    {
      description:
        'What went out: how many credits it took from which lots. The rest of a clawback is debt.',
    },
  ),
});

export const InsufficientCredits = Type.Object({
  error: Type.Object({
    code: Type.Literal('insufficient_credits'),
    message: Type.String(),
    balance: credits('What the account holds.'),
    available: credits('What can be spent now.'),
    required: credits('What was asked for.'),
    shortfall: credits('What is missing: required - available.'),
  }),
  request_id: Type.String(),
});

const error = (description: string) => ({ ...Type.Ref(ERROR_BODY), description });

/** What every route answers when something is wrong with the request or with us. */
export const commonErrors = {
  400: error('The request is not valid; the message says what is wrong.'),
  500: error('Something failed on our side.'),
  503: error('The database is away or too much is waiting; retry as Retry-After says.'),
};

/** What a route behind the guard answers beside `commonErrors`. */
export const guardedErrors = {
  ...commonErrors,
  401: error('No valid Bearer session token.'),
  429: error('Too many requests; wait as long as Retry-After says.'),
};

/** What a route that takes a body answers beside `guardedErrors`. */
export const bodyErrors = {
  ...guardedErrors,
  413: error('The body is too large.'),
  415: error('The body is not application/json.'),
};

export const conflictError = error('The Idempotency-Key was used for another request.');

export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: PRINTABLE_ASCII,
      description:
        'Repeats of a request with the same key get the first answer, marked ' +
        'Idempotency-Replayed: true. Keys never expire. A 402 writes nothing, so the same key ' +
        'may succeed after a top-up.',
    }),
  ),
});

export const BalanceEnvelope = Envelope(Balance);
export const DebitedEnvelope = Envelope(Debited);

export function toBalance({ balance, available, held }: LedgerBalance): Static<typeof Balance> {
  return { balance, available, held };
}

export function toStatementEntry(entry: LedgerEntry): Static<typeof StatementEntry> {
  return {
    ...toEntry(entry),
    balance: entry.balance,
    held: entry.held,
    actor: entry.actor,
    lot: entry.lot,
    expires_at: entry.expiresAt === null ? null : new Date(entry.expiresAt).toISOString(),
    payment: entry.payment,
    reverses_seq: entry.reversesSeq,
    draws: entry.draws?.map(({ lot, amount }) => ({ lot, amount })) ?? null,
  };
}

/** The answer to a debit, rebuilt from its entry alone, so that a replay says the same. */
export function toDebited(entry: LedgerEntry): Static<typeof Debited> {
  const { balance, held } = entry;
  return { balance, available: balance - held, held, entry: toEntry(entry) };
}

function toEntry(entry: LedgerEntry) {
  return {
    id: entry.id,
    seq: entry.seq,
    delta: entry.delta,
    kind: entry.kind,
    reason: entry.reason,
    ref: entry.ref,
    created_at: new Date(entry.createdAt).toISOString(),
  };
}
