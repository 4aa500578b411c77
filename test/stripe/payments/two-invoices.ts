import type { StripeStage } from '../../support/stripe.ts';

/** Two renewals that one payment intent paid, and what tells of each. */
export function payTwo(
  { fake }: Pick<StripeStage, 'fake'>,
  userId: string,
  prices: readonly [string, string] = ['price_plan', 'price_plan'],
) {
  const customer = `cus_${userId}`;
  const invoice = (id: string, price: string, more: { readonly paymentIntent?: string }) => {
    const mark = fake.events().length;
    const lines = [{ price, unitAmount: 1000 }];
    fake.payInvoice({ userId, customer, subscription: `sub_${id}`, lines, ...more });
    const told = fake.events().slice(mark);
    const find = (type: string) => {
      const event = told.find((one) => one.type === type);
      if (!event) throw new Error(`there is no ${type}`);
      return event;
    };
    return { paid: find('invoice.paid'), named: find('invoice_payment.paid') };
  };
  const first = invoice(`${userId}_1`, prices[0], {});
  const { payment } = first.named.data.object as unknown as {
    payment: { payment_intent: string };
  };
  const paymentIntent = payment.payment_intent;
  return { first, second: invoice(`${userId}_2`, prices[1], { paymentIntent }), paymentIntent };
}
