import type { AlertRules } from '../ledger/core/alert.ts';
import { asAmounts, type Mode } from './values.ts';
import type { Variables } from './variables.ts';

const TARGETS = ['refuse', 'allow'] as const;

/** What of accounts there is to tell, by ALERT_LOW_CREDITS and ALERT_EXPIRING_DAYS. */
export function readAlertRules(variables: Variables): AlertRules {
  // Not longer than alerts are kept, or a lot could be announced twice.
  const days = variables.integer('ALERT_EXPIRING_DAYS', { min: 0, max: 60, otherwise: 7 });
  return {
    lowCredits: variables.optional('ALERT_LOW_CREDITS', asAmounts) ?? [],
    expiringWithin: days * 86_400_000,
  };
}

/** Whether WEBHOOK_PRIVATE_TARGETS allows them; on a developer's machine it does unless told. */
export function readsPrivateTargets(variables: Variables, mode: Mode): boolean {
  const otherwise = mode === 'production' ? 'refuse' : 'allow';
  return variables.oneOf('WEBHOOK_PRIVATE_TARGETS', TARGETS, otherwise) === 'allow';
}
