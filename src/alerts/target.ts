import ipaddr from 'ipaddr.js';
import { resolveName } from './resolve-name.ts';

/** Finds a name's addresses. Throws when there are none. */
type Resolve = (hostname: string) => Promise<readonly string[]>;

/** Where webhooks may go. */
export interface TargetRules {
  /** Whether to addresses that the internet does not reach, too, and by plain http. */
  readonly allowsPrivate: boolean;
  readonly resolve?: Resolve;
}

/** A target that is refused; the message says why. */
export class RefusedTarget extends Error {}

const URL_LENGTH = 2_048;
const ALLOWED_BY = 'WEBHOOK_PRIVATE_TARGETS=allow permits it';

/**
 * Checks what can be seen of an endpoint's URL without asking anybody; where its name leads is
 * checked at every delivery, because that may change.
 * @returns the URL as it is called
 * @throws RefusedTarget
 */
export function checkUrl(text: string, { allowsPrivate }: TargetRules): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.href.length > URL_LENGTH) {
    throw new RefusedTarget('it must be a URL such as https://app.example.com/webhooks');
  }
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    throw new RefusedTarget('it must hold no user name, password or fragment');
  }
  checkScheme(url, allowsPrivate);
  const literal = hostOf(url);
  if (ipaddr.isValid(literal)) checkAddresses([literal], allowsPrivate);
  return url.href;
}

/**
 * The addresses to connect to, and to no others: a name that is looked up again may lead elsewhere
 * by then. One address that is refused refuses the name.
 * @throws RefusedTarget, or what the look-up threw
 */
export async function findAddresses(
  url: URL,
  { allowsPrivate, resolve = resolveName }: TargetRules,
): Promise<readonly string[]> {
  // The endpoint may be older than this server's rules, or made where others hold.
  checkScheme(url, allowsPrivate);
  const host = hostOf(url);
  const addresses = ipaddr.isValid(host) ? [host] : await resolve(host);
  checkAddresses(addresses, allowsPrivate);
  return addresses;
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function checkScheme({ protocol }: URL, allowsPrivate: boolean): void {
  if (protocol === 'http:' && !allowsPrivate) {
    throw new RefusedTarget(`it must be https; ${ALLOWED_BY}`);
  }
}

function checkAddresses(addresses: readonly string[], allowsPrivate: boolean): void {
  const refused = allowsPrivate ? undefined : addresses.find((one) => !isPublic(one));
  if (refused !== undefined) {
    throw new RefusedTarget(`${refused} is not an address on the internet; ${ALLOWED_BY}`);
  }
}

/** All of IPv6 that IANA has given out as global unicast so far. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Whether an address is of the open internet. Everything with a meaning of its own is not: loopback,
 * private, link-local, carrier NAT, multicast, reserved, and whatever holds an IPv4 address that
 * somebody on the way might unpack (IANA's special-purpose registries, by ipaddr.js).
 */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const found = ipaddr.process(address);
  if (found instanceof ipaddr.IPv6 && !found.match(GLOBAL_UNICAST)) return false;
  return found.range() === 'unicast';
}
