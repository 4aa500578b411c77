import type {
  CaptureCommand,
  Command,
  DebitCommand,
  Grant,
  GrantCommand,
  HoldCommand,
  ReleaseCommand,
  ReverseCommand,
  SettlePaymentCommand,
} from '../../src/ledger/core/command.ts';
import { MAX_AMOUNT, MAX_BALANCE, MAX_GRANTS } from '../../src/ledger/core/command.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';

const NO_NOTE = { reason: null, ref: null, metadata: null } as const;

/** One lot of `amount` credits, bought unless something else is said. */
export function lot(amount: number, more: Partial<Grant> = {}): Grant {
  return {
    ...{ category: 'purchase', amount, priority: 0, expiresAt: null, invoiceLine: null },
    ...NO_NOTE,
    ...more,
  };
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
    operation: null,
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

/** A command that reserves `amount` credits for an hour. */
export function hold(
  userId: string,
  holdId: string | null,
  amount: number,
  more: Partial<HoldCommand> = {},
): HoldCommand {
  return {
    kind: 'hold',
    ...{ userId, holdId, amount },
    seconds: 3_600,
    actor: 'key:test',
    idempotencyKey: null,
    operation: null,
    ...NO_NOTE,
    ...more,
  };
}

/** A command that spends what a hold has reserved. */
export function capture(
  userId: string,
  holdId: string,
  amount: number | null = null,
  more: Partial<CaptureCommand> = {},
): CaptureCommand {
  return {
    kind: 'capture',
    ...{ userId, holdId, amount },
    beyond: false,
    actor: 'key:test',
    idempotencyKey: null,
    ...NO_NOTE,
    ...more,
  };
}

/** A command that ends a hold. */
export function release(
  userId: string,
  holdId: string,
  more: Partial<ReleaseCommand> = {},
): ReleaseCommand {
  return {
    kind: 'release',
    ...{ userId, holdId },
    actor: 'key:test',
    idempotencyKey: null,
    ...NO_NOTE,
    ...more,
  };
}

/** A command that gives back what the debit or capture of that `seq` took. */
export function reverse(
  userId: string,
  seq: number,
  amount: number | null = null,
  more: Partial<ReverseCommand> = {},
): ReverseCommand {
  return {
    kind: 'reverse',
    ...{ userId, reversesSeq: seq, amount },
    actor: 'key:test',
    idempotencyKey: null,
    ...NO_NOTE,
    ...more,
  };
}

/** Another request than this one, under the same keys. */
export function differing(command: Command): Command {
  if (!('grants' in command)) return { ...command, reason: 'another' } as Command;
  const [first, ...rest] = command.grants;
  return { ...command, grants: [{ ...first, reason: 'another' }, ...rest] };
}

/** Gives the most credits that an account can hold. */
export async function fillAccount(
  ledger: Pick<Ledger, 'post' | 'balance'>,
  userId: string,
): Promise<void> {
  for (let left = MAX_BALANCE - (await ledger.balance(userId)).balance; left > 0; ) {
    const lots = Array.from({ length: Math.min(MAX_GRANTS, Math.ceil(left / MAX_AMOUNT)) }, () => {
      const amount = Math.min(left, MAX_AMOUNT);
      left -= amount;
      return lot(amount);
    });
    const [first = lot(1), ...others] = lots;
    await ledger.post(grant(userId, 1, { grants: [first, ...others] }));
  }
}
