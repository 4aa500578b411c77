import { signV4Token } from '../auth/sign-token.ts';
import { isLocal } from '../config/config.ts';
import { readEnvironment } from '../config/variables.ts';
import { completeSecrets } from '../local/stand-ins.ts';
import type { Command } from './command.ts';
import { folderOf } from './folder.ts';

export const tokenCommand: Command = {
  summary: 'print a session token for a user of the local server',
  help: [
    'Usage: purser token [--user <id>] [--folder <path>]',
    '',
    'Prints a NextAuth session token that is valid for an hour, made with NEXTAUTH_SECRET or with',
    'the secret that `npm start` made up. Not in production: there the front end signs users in.',
  ].join('\n'),
  options: ['user', 'folder'],
  async run({ options }) {
    const env = readEnvironment();
    if (!isLocal(env)) throw new Error('`purser token` is for a developer’s machine only.');
    const { NEXTAUTH_SECRET: secret } = await completeSecrets(env, folderOf(options));
    const userId = options['user'] ?? 'demo';
    console.log(await signV4Token({ userId, secret, lifetimeSeconds: 3_600, now: Date.now() }));
    return 0;
  },
};
