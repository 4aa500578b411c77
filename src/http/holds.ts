import { type Static, Type } from 'typebox';
import { Envelope } from '../envelope.ts';
import { type Hold as LedgerHold, sumOf } from '../ledger/core/account.ts';
import type { Entry } from '../ledger/core/entry.ts';
import type { HoldHistory } from '../ledger/read/balance.ts';
import {
  bodyErrors,
  credits,
  error,
  ID_IN_PATH,
  NoQuery,
  READABLE,
  UserPath,
} from '../operation.ts';
import { Debited, IdempotencyHeaders, Metadata, toDebited } from './schemas.ts';

/** How a hold may be called by who opens it. */
export const HoldId = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: ID_IN_PATH,
  description: 'Your own id for it, used once for each user. Left out: one is made.',
  examples: ['job-43'],
});

/** The path of what is about one hold, which may have been opened under laxer rules. */
export const HoldPath = Type.Object({
  ...UserPath.properties,
  hold_id: Type.String({ minLength: 1, maxLength: 255, pattern: READABLE }),
});

const moment = (description: string) => Type.String({ format: 'date-time', description });

const openFields = {
  id: Type.String(),
  units: credits('What it has reserved.'),
  expires_at: moment('When it ends by itself.'),
};

export const OpenHold = Type.Object(openFields);

export const Hold = Type.Object({
  ...openFields,
  status: Type.Enum(['open', 'captured', 'released', 'expired'] as const),
  captured: credits('What was spent of it, and beyond it if that was allowed.'),
  reason: Type.Union([Type.String(), Type.Null()]),
  ref: Type.Union([Type.String(), Type.Null()]),
  metadata: Type.Union([Metadata, Type.Null()]),
  created_at: moment('When it was opened.'),
  ended_at: Type.Union([moment('When it ended.'), Type.Null()]),
});

export const HeldEnvelope = Envelope(Type.Object({ ...Debited.properties, hold: OpenHold }));

export const EndedEnvelope = Envelope(
  Type.Object({
    ...Debited.properties,
    hold: Type.Object({ id: Type.String(), captured: credits('What was spent of it.') }),
  }),
);

/** What requests that move credits have in common. */
export const movesCredits = { headers: IdempotencyHeaders, querystring: NoQuery };

/** What the routes say by which credits come back to a lot, of which the time may be over. */
export const BEFORE_EXPIRY =
  'What comes back to a lot that has expired meanwhile expires with it, in an entry of its own: ' +
  'the balance here is the one before that.';

/** What the routes that end a hold have in common. */
export const endOfHold = {
  ...movesCredits,
  response: {
    ...bodyErrors,
    404: error('This user has no such hold.'),
    409: error(
      'The hold has ended already, less is held, or the Idempotency-Key was used for another ' +
        'request.',
    ),
  },
};

/** The answer to a hold, rebuilt from its entry alone, so that a replay says the same. */
export function toHeld(entry: Entry): Static<typeof HeldEnvelope>['data'] {
  const { holdId, expiresAt, draws } = entry;
  const hold = { id: holdId ?? '', units: sumOf(draws ?? []), expires_at: toIso(expiresAt ?? 0) };
  return { ...toDebited(entry), hold };
}

/** The answer to a capture or a release, rebuilt in the same way. */
export function toEnded(entry: Entry): Static<typeof EndedEnvelope>['data'] {
  return { ...toDebited(entry), hold: { id: entry.holdId ?? '', captured: 0 - entry.delta } };
}

export function toOpenHold({ id, parts, expiresAt }: LedgerHold): Static<typeof OpenHold> {
  return { id, units: sumOf(parts), expires_at: toIso(expiresAt) };
}

export function toHold({ opened, ended, expired }: HoldHistory): Static<typeof Hold> {
  const { reason, ref, metadata, createdAt } = opened;
  const status = { capture: 'captured', release: 'released' } as const;
  const end = ended?.kind === 'capture' || ended?.kind === 'release' ? status[ended.kind] : 'open';
  const { hold } = toHeld(opened);
  return {
    ...hold,
    status: expired ? 'expired' : end,
    captured: ended ? 0 - ended.delta : 0,
    ...{ reason, ref, metadata },
    created_at: toIso(createdAt),
    ended_at: expired ? hold.expires_at : ended && toIso(ended.createdAt),
  };
}

function toIso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
