import { LRUCache } from 'lru-cache';
import type { GrantCommand } from '../ledger/core/command.ts';
import type { Ledger } from '../ledger/ledger.ts';

/** What a user gets at the first request. */
export interface SignUp {
  /** Whole credits; 0 for none. */
  readonly credits: number;
  /** After how many days what is left of them expires; 0 for never. */
  readonly expireDays: number;
}

/**
 * Sees to it that a user has had the sign-up grant, before anything else is done for them.
 * @throws what `Ledger.post` throws: then nobody knows yet, and the request must not go on
 */
export type GiveSignUp = (userId: string) => Promise<unknown>;

/** How many users are remembered as having had it: some 20 MB. */
const REMEMBERED = 100_000;
const DAY = 86_400_000;

/**
 * Once per user id for ever, on however many servers: by a key in the ledger, of a kind that
 * neither users nor service keys can write. That it was given, now or earlier, or refused, is
 * remembered, and those who come at once wait for one command, so that it costs a look into a map.
 * A user who is forgotten costs one command, which finds the key and writes nothing.
 */
export function createSignUpGrant(post: Ledger['post'], signUp: SignUp): GiveSignUp {
  const given = new LRUCache<string, Promise<unknown>>({ max: REMEMBERED });
  return (userId) => {
    const known = given.get(userId);
    if (known !== undefined) return known;
    // A refusal says that it was given in another size or at another time, or cannot be given.
    const giving = post(signUpCommand(userId, signUp, Date.now()));
    given.set(userId, giving);
    giving.catch(() => given.delete(userId));
    return giving;
  };
}

function signUpCommand(userId: string, { credits, expireDays }: SignUp, now: number): GrantCommand {
  return {
    kind: 'grant',
    userId,
    actor: 'system',
    idempotencyKey: 'sign-up',
    grantKey: null,
    stripeEventId: null,
    grants: [
      {
        amount: credits,
        category: 'bonus',
        priority: 0,
        expiresAt: expireDays === 0 ? null : now + expireDays * DAY,
        reason: 'Sign-up',
        ref: null,
        metadata: null,
        invoiceLine: null,
      },
    ],
  };
}
