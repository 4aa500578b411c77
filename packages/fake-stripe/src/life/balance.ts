import type { BalanceTransactionRecord } from '../objects/balance-transaction.ts';
import type { World } from '../world.ts';

/** Moves money into the account's balance, or out of it. @returns what tells of it */
export function moveMoney(
  world: World,
  move: Pick<BalanceTransactionRecord, 'amount' | 'currency' | 'source' | 'category'>,
): { readonly balanceTransaction: string } {
  const { id } = world.create<BalanceTransactionRecord>({
    object: 'balance_transaction',
    id: world.newId('txn'),
    created: world.now(),
    ...move,
  });
  return { balanceTransaction: id };
}
