import type { JWTClaimVerificationOptions, JWTPayload } from 'jose';
import { USER_ID } from '../operation.ts';
import { unauthorized } from './unauthorized.ts';

const USER_ID_PATTERN = new RegExp(USER_ID, 'u');
/** How far the clocks of the front end and of Purser may differ, in seconds; as in NextAuth. */
const CLOCK_TOLERANCE = 15;
/** How long a token may live, in seconds, whatever its `exp`: NextAuth's default. */
const MAX_TOKEN_AGE = 30 * 24 * 60 * 60;

/** What every token must satisfy at `now` (milliseconds); jose alone would do without `exp`. */
export function timeChecks(now: number): JWTClaimVerificationOptions {
  return {
    requiredClaims: ['exp', 'iat'],
    maxTokenAge: MAX_TOKEN_AGE,
    clockTolerance: CLOCK_TOLERANCE,
    currentDate: new Date(now),
  };
}

/** The first moment (milliseconds) at which `timeChecks` refuses what it has accepted before. */
export function validUntil({ exp = 0, iat = 0 }: JWTPayload): number {
  return (Math.min(exp, iat + MAX_TOKEN_AGE) + CLOCK_TOLERANCE) * 1000;
}

/**
 * The user id: the one configured claim, as it is. There is no second claim to fall back to: it
 * would split one person's account in two, or give two people the same.
 *
 * @throws 401 `unauthorized` unless it is a string that every store and log keeps unchanged
 */
export function readUserId(payload: JWTPayload, claim: string): string {
  const id = Object.hasOwn(payload, claim) ? payload[claim] : undefined;
  if (typeof id !== 'string') throw unauthorized('user id claim missing or not a string');
  const fault = findUserIdFault(id);
  if (fault !== null) throw unauthorized(fault);
  return id;
}

/** Why a text cannot be a user id, or null. */
export function findUserIdFault(id: string): string | null {
  const characters = [...id].length;
  if (characters < 1 || characters > 255) return 'user id not 1 to 255 characters';
  if (USER_ID_PATTERN.test(id)) return null;
  return 'user id with control characters, edge spaces or lone surrogates';
}
