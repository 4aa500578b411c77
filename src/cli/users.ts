import { findUserIdFault } from '../auth/claims.ts';
import { createSessionCutoffs } from '../auth/session-cutoffs.ts';
import { wakeWaiting } from '../stripe/inbox/inbox.ts';
import { userIsKnown } from '../stripe/inbox/verdicts.ts';
import { findPaymentKeys, findSubscriptions, linkUser } from '../stripe/payments/users.ts';
import { type Command, type CommandGroup, UsageError } from './command.ts';
import { printable } from './table.ts';
import { utc } from './times.ts';
import { withPool } from './with-pool.ts';

const revokeSessionsCommand: Command = {
  summary: 'sign a user out everywhere',
  help: [
    'Usage: purser users revoke-sessions <user id> [--folder <path>]',
    '',
    'Revokes the session tokens that the user was issued until now; every server refuses them after',
    '5 seconds at the latest. End the session in the front end first: whoever still has its cookie',
    'is issued a new token there.',
  ].join('\n'),
  options: ['folder'],
  operands: { name: 'user', least: 1, most: 1 },
  async run({ options, operands: [userId = ''] }) {
    refuseNoUser(userId);
    const validAfter = await withPool(options, (pool) => createSessionCutoffs(pool).revoke(userId));
    console.log(`${printable(userId)}: tokens from before ${utc(validAfter)} are revoked.`);
    return 0;
  },
};

const STRIPE_ID = /^(cus|sub|cs|in|pi|ch|py)_\w{1,250}$/;

const linkCommand: Command = {
  summary: 'say whose a payment, a customer or a subscription of Stripe’s is',
  help: [
    'Usage: purser users link <user id> <stripe id> [<stripe id> ...] [--folder <path>]',
    '',
    'For payments that are parked because of an unknown user: links a customer (cus_…) or a',
    'subscription (sub_…), whose later payments are then the user’s too, or one payment alone, by its',
    'checkout session (cs_…), invoice (in_…), payment intent (pi_…) or charge (ch_…, py_…). The',
    'session of a subscription stands for all of it. Events that wait for it are carried out at once.',
    'A customer brings the billing portal and the saved cards of it. What belongs to another user',
    'stays theirs, and the exit code is 1. It does not move what was granted already.',
  ].join('\n'),
  options: ['folder'],
  operands: { name: 'user and ids', least: 2, most: 100 },
  async run({ options, operands: [userId = '', ...stripeIds] }) {
    refuseNoUser(userId);
    const wrong = stripeIds.find((id) => !STRIPE_ID.test(id));
    if (wrong !== undefined) {
      throw new UsageError(
        `${printable(wrong)} is not an id of the form cus_…, sub_…, cs_…, in_…, pi_…, ch_… or py_….`,
      );
    }
    return withPool(options, async (pool) => {
      // Committed before what they stand for is looked up: an event that tells it later sees the link.
      await linkUser(pool, userId, stripeIds);
      const meant = [
        ...(await findPaymentKeys(pool, stripeIds)),
        ...(await findSubscriptions(pool, stripeIds)),
      ];
      const ids = [...new Set([...stripeIds, ...meant])];
      const foreign = await linkUser(pool, userId, ids);
      const linked = ids.filter((id) => !foreign.includes(id));
      await wakeWaiting(pool, linked.map(userIsKnown));
      for (const id of linked) console.log(`${id} is ${printable(userId)}’s.`);
      for (const id of foreign) console.error(`${id} belongs to another user.`);
      return foreign.length === 0 ? 0 : 1;
    });
  },
};

function refuseNoUser(userId: string): void {
  const fault = findUserIdFault(userId);
  if (fault !== null) throw new UsageError(`That is no user: ${fault}.`);
}

export const usersCommands: CommandGroup = {
  summary: 'sign users out; say whose a payment of Stripe’s is',
  commands: { 'revoke-sessions': revokeSessionsCommand, link: linkCommand },
};
