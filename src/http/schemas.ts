import { type Static, Type } from 'typebox';
import { Envelope } from '../envelope.ts';
import { MAX_AMOUNT } from '../ledger/core/command.ts';
import type { Entry as LedgerEntry } from '../ledger/core/entry.ts';
import type { Balance as LedgerBalance } from '../ledger/read/balance.ts';
import {
  balanceFields,
  credits,
  idempotencyHeaders,
  READABLE,
  TEXT_PATTERNS,
} from '../operation.ts';
import { OPERATION_QUANTITY } from '../price-list.ts';

/**
 * `READABLE`, and something to be seen: a letter, number, punctuation mark or symbol, but for those
 * that are drawn as nothing, such as the blank of Braille and the fillers of Hangul.
 */
const NOT_BLANK = READABLE.replace(
  '^',
  '^(?=[\\s\\S]*(?![\\u2800\\p{DI}])[\\p{L}\\p{N}\\p{P}\\p{S}])',
);

/** How a name in metadata looks; never `__proto__`, which some parsers take for something else. */
const METADATA_NAME = '^[A-Za-z][A-Za-z0-9_.:-]{0,39}$';

/** What is wrong with a text that a pattern does not match, to be read after the field's name. */
export const PATTERNS: Readonly<Record<string, string>> = {
  ...TEXT_PATTERNS,
  [OPERATION_QUANTITY]:
    'must be from "0.000000001" to "999999999999.999999999", with at most 9 decimals',
  [NOT_BLANK]: 'must be a readable text: not blank, without control characters',
  [METADATA_NAME]:
    'must have names of up to 40 letters, digits and _ . : - that begin with a letter',
};

/** An amount of credits in a request. */
export const Amount = Type.Integer({
  minimum: 1,
  maximum: MAX_AMOUNT,
  description: 'Whole credits.',
});

const reason = {
  maxLength: 1000,
  description: 'Why, for the people who read the statement.',
};

export const Reason = Type.String({ ...reason, pattern: READABLE, examples: ['render'] });

/** For what nobody may do without saying why. */
export const GivenReason = Type.String({ ...reason, pattern: NOT_BLANK, examples: ['welcome'] });

export const Ref = Type.String({
  maxLength: 255,
  pattern: READABLE,
  description: 'Your own name for what this was, such as a job or an order.',
  examples: ['job-43'],
});

/** As Stripe bounds it: at most 50 texts of up to 500 characters. */
export const Metadata = Type.Unsafe<Readonly<Record<string, string>>>({
  type: 'object',
  maxProperties: 50,
  propertyNames: { pattern: METADATA_NAME },
  additionalProperties: { type: 'string', maxLength: 500, pattern: READABLE },
  description: 'Your own facts, as texts: they stand in the statement.',
  examples: [{ campaign: 'spring' }],
});

const Lot = Type.Object({
  seq: Type.Integer({ description: 'The entry that opened it.' }),
  category: Type.Enum(['purchase', 'included', 'bonus', 'adjustment'] as const),
  free: credits('What can be spent of it.'),
  priority: Type.Integer({ description: 'The lowest is spent first.' }),
  expires_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
    description: 'When what is left of it expires; null for never.',
  }),
});

export const Balance = Type.Object({
  ...balanceFields,
  seq: Type.Integer({ description: 'The newest entry; 0 while there is none.' }),
  lots: Type.Array(Lot, { description: 'The open lots, what is spent first first.' }),
});

export const Kind = Type.Enum([
  ...['purchase', 'included', 'bonus', 'adjustment', 'debit'],
  ...['expiry', 'clawback', 'reinstatement'],
  ...['hold', 'capture', 'release', 'reversal'],
] as const);

const entryFields = {
  id: Type.String({ format: 'uuid' }),
  seq: Type.Integer({ description: 'The place in the account’s history: 1, 2, 3 … without gaps.' }),
  delta: credits('The change of the balance.'),
  kind: Kind,
  reason: Type.Union([Type.String(), Type.Null()]),
  ref: Type.Union([Type.String(), Type.Null()]),
  created_at: Type.String({ format: 'date-time' }),
};

export const Debited = Type.Object({ ...balanceFields, entry: Type.Object(entryFields) });

/** What an answer to a grant says beside, and every entry of a statement. */
const grantFields = {
  expires_at: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
    description: 'What came in: when what is left of its lot expires; null for never.',
  }),
  metadata: Type.Union([Metadata, Type.Null()]),
};

export const Granted = Type.Object({
  ...balanceFields,
  entry: Type.Object({ ...entryFields, ...grantFields }),
});

export const StatementEntry = Type.Object({
  ...entryFields,
  balance: credits('The balance after this entry.'),
  held: credits('What open holds reserved after this entry.'),
  actor: Type.String({ description: 'Who caused it: user, stripe, system, key:…, operator:….' }),
  lot: Type.Union([Type.Integer(), Type.Null()], {
    description: 'What came in: the seq of the lot that took the credits.',
  }),
  ...grantFields,
  payment: Type.Union([Type.String(), Type.Null()], {
    description: 'The checkout session or invoice that it grants, claws back or reinstates.',
  }),
  hold_id: Type.Union([Type.String(), Type.Null()], {
    description: 'The hold that it opens or ends.',
  }),
  operation: Type.Union([Type.String(), Type.Null()], {
    description: 'What of the price list it was for.',
  }),
  quantity: Type.Union([Type.String(), Type.Null()], {
    description: 'How much of the operation, a decimal.',
  }),
  reverses_seq: Type.Union([Type.Integer(), Type.Null()], {
    description:
      'For a clawback or reinstatement: the seq of the grant whose credits it moves. For a ' +
      'reversal: of the debit or capture.',
  }),
  draws: Type.Union(
    [Type.Array(Type.Object({ lot: Type.Integer(), amount: Type.Integer() })), Type.Null()],
    {
      description:
        'What went out: how many credits it took from which lots; the rest of a clawback is debt. ' +
        'Of a hold: how many it reserves of which lots. Of a reversal: how many came back to which ' +
        'lots; the rest paid debt, or went to `lot`.',
    },
  ),
});

export const InsufficientCredits = Type.Object({
  error: Type.Object({
    code: Type.Literal('insufficient_credits'),
    message: Type.String(),
    balance: credits('What the account holds.'),
    available: credits('What can be spent now.'),
    required: credits('What was asked for; of a capture, what of it exceeds the hold.'),
    shortfall: credits('What is missing: required - available.'),
  }),
  request_id: Type.String(),
});

export const IdempotencyHeaders = idempotencyHeaders(
  'Repeats of a request with the same key get the first answer, marked ' +
    'Idempotency-Replayed: true. Keys never expire. A 402 writes nothing, so the same key ' +
    'may succeed after a top-up.',
);

export const BalanceEnvelope = Envelope(Balance);
export const DebitedEnvelope = Envelope(Debited);
export const GrantedEnvelope = Envelope(Granted);

export function toBalance(account: LedgerBalance): Static<typeof Balance> {
  const { balance, available, held, seq, lots } = account;
  return {
    ...{ balance, available, held, seq },
    lots: lots.map(({ seq: opened, category, free, priority, expiresAt }) => ({
      ...{ seq: opened, category, free, priority, expires_at: toIso(expiresAt) },
    })),
  };
}

/** @param milliseconds since 1970 */
function toIso(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}

export function toStatementEntry(entry: LedgerEntry): Static<typeof StatementEntry> {
  return {
    ...toEntry(entry),
    balance: entry.balance,
    held: entry.held,
    actor: entry.actor,
    lot: entry.lot,
    ...toGrantFields(entry),
    payment: entry.payment,
    hold_id: entry.holdId,
    operation: entry.operation?.name ?? null,
    quantity: entry.operation?.quantity ?? null,
    reverses_seq: entry.reversesSeq,
    draws: entry.draws?.map(({ lot, amount }) => ({ lot, amount })) ?? null,
  };
}

/** The answer to a debit, rebuilt from its entry alone, so that a replay says the same. */
export function toDebited(entry: LedgerEntry): Static<typeof Debited> {
  const { balance, held } = entry;
  return { balance, available: balance - held, held, entry: toEntry(entry) };
}

/** The answer to a grant, rebuilt in the same way. */
export function toGranted(entry: LedgerEntry): Static<typeof Granted> {
  return { ...toDebited(entry), entry: { ...toEntry(entry), ...toGrantFields(entry) } };
}

function toGrantFields({ expiresAt, metadata }: LedgerEntry) {
  return {
    expires_at: toIso(expiresAt),
    metadata,
  };
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
