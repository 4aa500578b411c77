import type {
  DebitCommand,
  Grant,
  GrantCommand,
  SettlePaymentCommand,
} from '../../src/ledger/command.ts';

const NO_NOTE = { reason: null, ref: null, metadata: null } as const;

/** One lot of `amount` credits, bought unless something else is said. */
export function lot(amount: number, more: Partial<Grant> = {}): Grant {
  return { category: 'purchase', amount, expiresAt: null, invoiceLine: null, ...NO_NOTE, ...more };
}

/** A command that grants `amount` bought credits. */
export function grant(
  userId: string,
  amount: number,
  more: Partial<GrantCommand> = {},
): GrantCommand {
  return {
    kind: 'grant',
    userId,
    actor: 'system',
    idempotencyKey: null,
    grantKey: null,
    stripeEventId: null,
    grants: [lot(amount)],
    ...more,
  };
}

/** A command that takes `amount` credits. */
export function debit(
  userId: string,
  amount: number,
  more: Partial<DebitCommand> = {},
): DebitCommand {
  return {
    kind: 'debit',
    userId,
    actor: 'user',
    idempotencyKey: null,
    amount,
    ...NO_NOTE,
    ...more,
  };
}

/** A command that brings a payment's credits to where its refunds and disputes put them. */
export function settlePayment(
  userId: string,
  payment: string,
  more: Partial<SettlePaymentCommand> = {},
): SettlePaymentCommand {
  return {
    kind: 'settle_payment',
    userId,
    payment,
    actor: 'stripe',
    idempotencyKey: null,
    stripeEventId: null,
    ...NO_NOTE,
    ...more,
  };
}
