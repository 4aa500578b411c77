import { type CustomerFields, createCustomer, deleteCustomer } from '../life/customers.ts';
import { renderDeleted } from '../objects/customer.ts';
import { missing, Refusal } from '../refusal.ts';
import { listRecords, page } from './list.ts';
import { checkKnown, given, metadata, needText, nullable, webAddress } from './params.ts';
import { type Call, type Routes, show } from './route.ts';

/** Customers, and the billing portal that one may be sent to. */
export const customerRoutes: Routes = {
  'POST customers': (call) => show(call, createCustomer(call.world, fieldsOf(call, {}))),
  'GET customers': (call) =>
    listRecords(call, 'customer', {
      filters: { email: 'email' },
      where: ({ deleted }) => !deleted,
    }),
  'GET customers/:id': (call) => {
    const customer = call.world.store.need('customer', call.id);
    return customer.deleted ? renderDeleted(customer) : show(call, customer);
  },
  'POST customers/:id': (call) => {
    const customer = existing(call);
    const changes = fieldsOf(call, customer.metadata);
    return show(call, call.world.change(customer, changes, 'customer.updated'));
  },
  'GET customers/:id/payment_methods': (call) => {
    const { type, ...form } = call.form;
    const methods = call.world.store.naming('payment_method', 'customer', existing(call).id);
    const wanted = type === undefined || type === 'card' ? methods.reverse() : [];
    return page({ ...call, form }, wanted, (method) => show(call, method));
  },
  'DELETE customers/:id': (call) => renderDeleted(deleteCustomer(call.world, existing(call).id)),
  'POST billing_portal/sessions': (call) => {
    checkKnown(call.form, ['customer', 'return_url', 'configuration', 'locale', 'flow_data']);
    const id = needText(call.form, 'customer');
    const customer = call.world.store.get('customer', id);
    if (!customer || customer.deleted) throw missing('customer', id, 'customer');
    const session = call.world.create({
      object: 'billing_portal.session',
      id: call.world.newId('bps'),
      created: call.world.now(),
      customer: id,
      returnUrl: webAddress(call.form, 'return_url') ?? null,
    });
    return show(call, session);
  },
};

function existing({ world, id }: Call) {
  const customer = world.store.need('customer', id);
  if (customer.deleted) throw missing('customer', id, 'id', 404);
  return customer;
}

function fieldsOf({ form }: Call, before: Readonly<Record<string, string>>): CustomerFields {
  checkKnown(form, ['email', 'name', 'phone', 'description', 'metadata']);
  const email = nullable(form, 'email');
  if (email && !/^\S+@\S+$/.test(email)) {
    throw new Refusal(`Invalid email address: ${email}`, { code: 'email_invalid', param: 'email' });
  }
  return {
    ...given<CustomerFields>({
      email,
      name: nullable(form, 'name'),
      phone: nullable(form, 'phone'),
      description: nullable(form, 'description'),
    }),
    metadata: metadata(form, before),
  };
}
