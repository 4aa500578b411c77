import { once } from 'node:events';
import { connect } from 'node:net';

/** How long somebody may take to answer, in milliseconds. */
const WITHIN = 1_000;

/**
 * Whether a page of this machine has a server: a shop that does not run would be a dead end. Of
 * pages elsewhere it is taken for granted.
 */
export async function isServed(page: string): Promise<boolean> {
  if (!URL.canParse(page)) return true;
  const { protocol, hostname, port } = new URL(page);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  if (!['localhost', '127.0.0.1', '::1'].includes(host)) return true;
  const usual = protocol === 'https:' ? 443 : 80;
  const socket = connect({ host, port: port === '' ? usual : Number(port) });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(WITHIN) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
