import { findUserIdFault } from '../auth/claims.ts';
import { createSessionCutoffs } from '../auth/session-cutoffs.ts';
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
    const fault = findUserIdFault(userId);
    if (fault !== null) throw new UsageError(`That is no user: ${fault}.`);
    const validAfter = await withPool(options, (pool) => createSessionCutoffs(pool).revoke(userId));
    console.log(`${printable(userId)}: tokens from before ${utc(validAfter)} are revoked.`);
    return 0;
  },
};

export const usersCommands: CommandGroup = {
  summary: 'sign users out',
  commands: { 'revoke-sessions': revokeSessionsCommand },
};
