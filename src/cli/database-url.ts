import { ConfigError, isLocal } from '../config/config.ts';
import { asDatabaseUrl, MODES } from '../config/values.ts';
import { readEnvironment, readVariables } from '../config/variables.ts';
import { findRunning } from '../local/running.ts';
import { folderOf } from './folder.ts';

/**
 * The database to work on by hand: DATABASE_URL, the only variable that this needs; on a
 * developer's machine without one, that of the server which runs there.
 */
export async function databaseUrl(options: { readonly folder?: string | undefined }) {
  const env = readEnvironment();
  if (env['DATABASE_URL'] === undefined && isLocal(env)) {
    return (await findRunning(folderOf(options))).databaseUrl;
  }
  const variables = readVariables(env);
  // A mode that there is not would look like one that is not a developer's.
  variables.oneOf('NODE_ENV', MODES, 'development');
  const url = variables.required('DATABASE_URL', asDatabaseUrl);
  if (variables.problems.length > 0) throw new ConfigError(variables.problems);
  return url;
}
