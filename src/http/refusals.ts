import { PurserError } from '../errors.ts';
import type { Refusal } from '../ledger/core/command.ts';

/** The error that tells a caller why the ledger refused a command. */
export function toError(refusal: Refusal): PurserError {
  switch (refusal.code) {
    case 'insufficient_credits': {
      const { code, balance, available, required } = refusal;
      return new PurserError(code, {
        message: `Not enough credits: ${required} needed, ${available} available.`,
        fields: { balance, available, required, shortfall: required - available },
      });
    }
    case 'capture_exceeds_hold': {
      const { code, held, required } = refusal;
      return new PurserError(code, {
        message: `The hold has reserved ${held} credits, not ${required}.`,
        fields: { held, required },
      });
    }
    case 'reversal_exceeds_entry': {
      const { code, reversible } = refusal;
      return new PurserError(code, {
        message: `Of that entry ${reversible} credits are left to give back.`,
        fields: { reversible },
      });
    }
    case 'expiry_passed':
      return new PurserError('invalid_request', {
        message: 'The field `expires_at` must lie ahead.',
        fields: { field: 'expires_at' },
      });
    case 'too_many_holds':
      return new PurserError(refusal.code, {
        message: `The account has ${refusal.limit} open holds, which is the limit.`,
        fields: { limit: refusal.limit },
      });
    case 'too_many_lots':
      return new PurserError(refusal.code, {
        message: `The account has ${refusal.limit} open lots, and none of the same terms.`,
        fields: { limit: refusal.limit },
      });
    case 'payment_not_granted':
    case 'nothing_else_asked':
      throw new Error(`no caller asks for what is refused with ${refusal.code}`);
    default:
      return new PurserError(refusal.code);
  }
}
