import { ConfigError, isLocal, readsReference } from '../config/config.ts';
import { asApiBase, asStripeKey, MODES } from '../config/values.ts';
import { readEnvironment, readVariables } from '../config/variables.ts';
import { findRunning } from '../local/running.ts';
import { completeSecrets } from '../local/stand-ins.ts';
import { type ApiBase, livemodeOf, parseApiBase } from '../stripe/api/client.ts';
import { folderOf } from './folder.ts';

/** What it takes to ask Stripe. */
export interface StripeAccess {
  readonly secretKey: string;
  readonly livemode: boolean;
  readonly apiBase: ApiBase | null;
  readonly trustsReference: boolean;
  /** See `AccountCheckOptions`. */
  readonly takesSimulated: boolean;
}

/**
 * The Stripe to work with by hand: STRIPE_SECRET_KEY and STRIPE_API_BASE; on a developer's machine
 * without a key, the simulated one of the server which runs there.
 */
export async function stripeAccess(options: {
  readonly folder?: string | undefined;
}): Promise<StripeAccess> {
  const env = readEnvironment();
  const variables = readVariables(env);
  const trustsReference = readsReference(variables);
  const mode = variables.oneOf('NODE_ENV', MODES, 'development');
  const shared = { trustsReference, takesSimulated: mode !== 'production' };
  if (variables.problems.length > 0) throw new ConfigError(variables.problems);
  if (env['STRIPE_SECRET_KEY'] === undefined && isLocal(env)) {
    const folder = folderOf(options);
    const { fakeStripe } = await findRunning(folder);
    if (fakeStripe === null) throw new Error('STRIPE_SECRET_KEY is missing.');
    const { STRIPE_SECRET_KEY: secretKey } = await completeSecrets(env, folder);
    return { secretKey, livemode: false, apiBase: parseApiBase(fakeStripe), ...shared };
  }
  const secretKey = variables.required('STRIPE_SECRET_KEY', (text) => asStripeKey(text, mode));
  const apiBase = variables.optional('STRIPE_API_BASE', (text) => asApiBase(text, mode));
  if (variables.problems.length > 0) throw new ConfigError(variables.problems);
  return { secretKey, livemode: livemodeOf(secretKey) ?? false, apiBase, ...shared };
}
