import { type Account, expiredHolds, expiredLots, sumOf } from '../account.ts';
import type { Entry } from '../entry.ts';
import { NO_NOTE, NOBODY, nextEntry, postAll, type Surroundings } from './posting.ts';

/**
 * What happens to `account` by itself before any command: holds whose time has come are released,
 * then lots whose time has come expire. It belongs to the account and not to the command, so it is
 * written even when that is refused.
 */
export function decideDue(
  account: Account,
  around: Pick<Surroundings, 'now' | 'newId'>,
): { readonly account: Account; readonly entries: readonly Entry[] } {
  const released = postAll(account, expiredHolds(account, around.now), (before, { id, parts }) =>
    nextEntry(before, NOBODY, NO_NOTE, around, {
      kind: 'release',
      delta: 0,
      held: before.held - sumOf(parts),
      holdId: id,
    }),
  );
  const expired = postAll(
    released.account,
    expiredLots(released.account, around.now),
    (before, lot) =>
      nextEntry(before, NOBODY, NO_NOTE, around, {
        kind: 'expiry',
        delta: -lot.free,
        draws: [{ lot: lot.seq, amount: lot.free }],
      }),
  );
  return { account: expired.account, entries: [...released.entries, ...expired.entries] };
}
