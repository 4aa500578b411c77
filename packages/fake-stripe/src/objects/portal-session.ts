import type { StripeObject, View } from './object.ts';

export interface PortalSessionRecord {
  readonly object: 'billing_portal.session';
  readonly id: string;
  readonly created: number;
  readonly customer: string;
  readonly returnUrl: string | null;
}

export function renderPortalSession(session: PortalSessionRecord, view: View): StripeObject {
  const { id, object, created, customer, returnUrl } = session;
  return {
    id,
    object,
    configuration: 'bpc_sim_1',
    created,
    customer,
    flow: null,
    livemode: view.livemode,
    locale: null,
    on_behalf_of: null,
    return_url: returnUrl,
    url: `${view.baseUrl}/p/session/${id}`,
  };
}
