import type { StripeStage } from '../../support/stripe.ts';

/** What an invoice of one line costs, in cents. */
export interface Cost {
  readonly price: string;
  readonly unitAmount: number;
}

/** Renewals that one payment intent paid, and what tells of each. */
export function payTogether(
  { fake }: Pick<StripeStage, 'fake'>,
  userId: string,
  costs: readonly [Cost, ...Cost[]],
) {
  const pay = (cost: Cost, i: number, more: { readonly paymentIntent?: string }) => {
    const mark = fake.events().length;
    const about = { userId, customer: `cus_${userId}`, subscription: `sub_${userId}_${i}` };
    fake.payInvoice({ ...about, lines: [cost], ...more });
    const told = fake.events().slice(mark);
    const find = (type: string) => {
      const event = told.find((one) => one.type === type);
      if (!event) throw new Error(`there is no ${type}`);
      return event;
    };
    return { paid: find('invoice.paid'), named: find('invoice_payment.paid') };
  };
  const [cost, ...more] = costs;
  const first = pay(cost, 0, {});
  const { payment } = first.named.data.object as unknown as {
    payment: { payment_intent: string };
  };
  const paymentIntent = payment.payment_intent;
  const others = more.map((other, i) => pay(other, i + 1, { paymentIntent }));
  const amount = costs.reduce((sum, { unitAmount }) => sum + unitAmount, 0);
  const { latestCharge } = fake.store.need('payment_intent', paymentIntent);
  const charge = fake.store.need('charge', String(latestCharge));
  fake.store.save({ ...charge, amount, amountCaptured: amount });
  return { invoices: [first, ...others] as const, paymentIntent };
}

/** Two renewals of 1,000 cents each. */
export function payTwo(
  stage: Pick<StripeStage, 'fake'>,
  userId: string,
  [one, other]: readonly [string, string] = ['price_plan', 'price_plan'],
) {
  const { invoices, paymentIntent } = payTogether(stage, userId, [
    { price: one, unitAmount: 1000 },
    { price: other, unitAmount: 1000 },
  ]);
  const [first, second] = invoices;
  if (!second) throw new Error('there is no second invoice');
  return { first, second, paymentIntent };
}
