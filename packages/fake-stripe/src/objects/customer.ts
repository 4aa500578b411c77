import type { Metadata, StripeObject, View } from './object.ts';

export interface CustomerRecord {
  readonly object: 'customer';
  readonly id: string;
  readonly created: number;
  readonly email: string | null;
  readonly name: string | null;
  readonly phone: string | null;
  readonly description: string | null;
  /** In cents; below 0 the shop owes the customer, and the next invoice is that much smaller. */
  readonly balance: number;
  readonly metadata: Metadata;
  readonly deleted: boolean;
}

export function renderCustomer(customer: CustomerRecord, view: View): StripeObject {
  const { object, id, created, email, name, phone, description, balance, metadata } = customer;
  return {
    id,
    object,
    address: null,
    balance,
    created,
    currency: null,
    default_source: null,
    delinquent: false,
    description,
    discount: null,
    email,
    invoice_prefix: id.slice(-8).toUpperCase(),
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null,
      footer: null,
      rendering_options: null,
    },
    livemode: view.livemode,
    metadata,
    name,
    next_invoice_sequence: 1,
    phone,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
  };
}

/** What the API answers about a customer who was deleted. */
export function renderDeleted({ id, object }: CustomerRecord): StripeObject {
  return { id, object, deleted: true };
}
