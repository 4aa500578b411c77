import { isStorable } from '../../db/text.ts';
import { PurserError } from '../../errors.ts';
import { type Command, MAX_AMOUNT, MAX_GRANTS, MAX_HOLD_SECONDS, MAX_PRIORITY } from './command.ts';
import type { Note } from './entry.ts';

/** The end of the year 9999, in milliseconds since 1970: later times have five-digit years. */
const LAST_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** What every caller must obey, whichever door it came through: one bad value fails a batch. */
export function checkCommand(command: Command): void {
  checkTexts(command);
  for (const amount of amountsOf(command))
    checkWhole(amount, 1, MAX_AMOUNT, 'An amount of credits');
  switch (command.kind) {
    case 'grant':
      checkWhole(command.grants.length, 1, MAX_GRANTS, 'The number of grants');
      for (const { priority, expiresAt } of command.grants) {
        checkWhole(priority, -MAX_PRIORITY, MAX_PRIORITY, 'A priority');
        checkWhole(expiresAt ?? 0, 0, LAST_TIME, 'An expiry in milliseconds');
      }
      break;
    case 'hold':
      checkWhole(command.seconds, 1, MAX_HOLD_SECONDS, 'The seconds of a hold');
      break;
    case 'reverse':
      checkWhole(command.reversesSeq, 1, Number.MAX_SAFE_INTEGER, 'A seq');
  }
}

function amountsOf(command: Command): readonly number[] {
  switch (command.kind) {
    case 'grant':
      return command.grants.map(({ amount }) => amount);
    case 'debit':
    case 'hold':
      return [command.amount];
    case 'capture':
    case 'reverse':
      return command.amount === null ? [] : [command.amount];
    default:
      return [];
  }
}

function checkWhole(value: number, min: number, max: number, what: string): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    refuse(`${what} is a whole number from ${min} to ${max}.`);
  }
}

function checkTexts(command: Command): void {
  const { userId, actor, idempotencyKey } = command;
  const texts = [userId, actor, idempotencyKey];
  if (command.kind === 'grant') texts.push(...command.grants.flatMap(textsOf));
  if ('reason' in command) texts.push(...textsOf(command));
  if ('stripeEventId' in command) texts.push(command.stripeEventId);
  if ('grantKey' in command) texts.push(command.grantKey);
  if ('payment' in command) texts.push(command.payment);
  if ('holdId' in command) texts.push(command.holdId);
  if ('operation' in command) texts.push(command.operation?.name ?? null);
  if (!texts.every((text) => text === null || isStorable(text))) {
    refuse('Text must not hold NUL or lone surrogates.');
  }
  if (!hasUserIdLength(userId)) refuse('A user id has 1 to 255 characters.');
}

function textsOf({ reason, ref, metadata }: Note): (string | null)[] {
  return [reason, ref, ...Object.entries(metadata ?? {}).flat()];
}

function refuse(message: string): never {
  throw new PurserError('invalid_request', { message });
}

/** Counted as Postgres does: a character beyond the BMP is one, not two. */
function hasUserIdLength(userId: string): boolean {
  const { length } = userId;
  return length >= 1 && (length <= 255 || (length <= 510 && [...userId].length <= 255));
}
