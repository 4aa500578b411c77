import { Resolver } from 'node:dns/promises';

/** How long each name server is waited for, how often it is asked, in milliseconds. */
const ASKING = { timeout: 2_000, tries: 2 };
/** How long the other family is waited for when one has answered, in milliseconds. */
const OTHER_FAMILY = 250;

/**
 * The addresses of a name. Asks DNS, not `getaddrinfo`: that takes one of the few threads which also
 * open session tokens, for as long as a name server keeps silent. RFC 6761 says what localhost means.
 * @param servers to be asked instead of the machine's
 * @throws what DNS said of IPv4 addresses when there are none of either family
 */
export async function resolveName(
  hostname: string,
  servers?: readonly string[],
): Promise<readonly string[]> {
  if (/(^|\.)localhost\.?$/.test(hostname)) return ['127.0.0.1', '::1'];
  const resolver = new Resolver(ASKING);
  if (servers) resolver.setServers(servers);
  const lookUps = [resolver.resolve4(hostname), resolver.resolve6(hostname)] as const;
  // Some name servers never answer for the family that they do not have.
  Promise.any(lookUps).then(
    () => setTimeout(() => resolver.cancel(), OTHER_FAMILY).unref(),
    () => {},
  );
  const [four, six] = await Promise.allSettled(lookUps);
  const found = [four, six].flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  if (found.length === 0 && four.status === 'rejected') throw four.reason;
  return found;
}
