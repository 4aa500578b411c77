import type { Metadata, StripeObject, View } from './object.ts';

export interface ProductRecord {
  readonly object: 'product';
  readonly id: string;
  readonly created: number;
  readonly updated: number;
  readonly active: boolean;
  readonly name: string;
  readonly description: string | null;
  readonly metadata: Metadata;
}

export function renderProduct(product: ProductRecord, view: View): StripeObject {
  const { object, id, created, updated, active, name, description, metadata } = product;
  return {
    id,
    object,
    active,
    created,
    default_price: null,
    description,
    images: [],
    livemode: view.livemode,
    marketing_features: [],
    metadata,
    name,
    package_dimensions: null,
    shippable: null,
    statement_descriptor: null,
    tax_code: null,
    type: 'service',
    unit_label: null,
    updated,
    url: null,
  };
}
