import type { StripeObject, View } from './object.ts';

export interface SetupIntentRecord {
  readonly object: 'setup_intent';
  readonly id: string;
  readonly created: number;
  readonly customer: string | null;
  readonly status: 'requires_payment_method' | 'succeeded';
}

export function renderSetupIntent(intent: SetupIntentRecord, view: View): StripeObject {
  const { id, object, created, customer, status } = intent;
  return {
    id,
    object,
    created,
    customer,
    description: null,
    livemode: view.livemode,
    metadata: {},
    payment_method: status === 'succeeded' ? 'pm_sim_1' : null,
    payment_method_types: ['card'],
    status,
    usage: 'off_session',
  };
}
