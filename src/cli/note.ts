import { userInfo } from 'node:os';
import { isStorable } from '../db/text.ts';
import { UsageError } from './command.ts';

const WHY_LENGTH = 500;

/**
 * What is kept of who did something by hand, and why.
 * @param by the user of this machine, unless another one is named
 * @throws UsageError
 */
export function noteOf(what: string, why: string, by = userInfo().username): string {
  const isFit = why.trim() !== '' && why.length <= WHY_LENGTH && isStorable(why + by);
  if (!isFit) throw new UsageError(`--why is a text of up to ${WHY_LENGTH} characters.`);
  return `${what} by ${by}: ${why}`;
}
