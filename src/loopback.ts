import { isIPv4 } from 'node:net';

/** Whether a host is this machine, by its form alone: 127.example.com may lead anywhere. */
export function isLoopback(host: string): boolean {
  if (['localhost', '::1', '[::1]'].includes(host)) return true;
  return isIPv4(host) && host.startsWith('127.');
}
