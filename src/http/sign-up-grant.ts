import { LRUCache } from 'lru-cache';
import type { GrantCommand, Outcome } from '../ledger/core/command.ts';
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
 * neither users nor service keys can write. That it was given, now or earlier, is remembered, and
 * those who come at once wait for one command, so that it costs a look into a map. A user who is
 * forgotten, or whose account has no room for it yet, costs one command, which writes nothing.
 */
export function createSignUpGrant(post: Ledger['post'], signUp: SignUp): GiveSignUp {
  const given = new LRUCache<string, Promise<unknown>>({ max: REMEMBERED });
  return (userId) => {
    const known = given.get(userId);
    if (known !== undefined) return known;
    const giving = post(signUpCommand(userId, signUp, Date.now()));
    given.set(userId, giving);
    const forget = () => given.delete(userId);
    giving.then((outcome) => wasGiven(outcome) || forget(), forget);
    return giving;
  };
}

/** The key's conflict says that it was given in another size or with another end. */
function wasGiven(outcome: Outcome): boolean {
  return outcome.ok || outcome.refusal.code === 'idempotency_conflict';
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
