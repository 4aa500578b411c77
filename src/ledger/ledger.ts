import { crc32 } from 'node:zlib';
import type pg from 'pg';
import { toPurserError } from '../db/sqlstate.ts';
import { isStorable } from '../db/text.ts';
import { PurserError } from '../errors.ts';
import { type Command, MAX_AMOUNT, MAX_GRANTS, type Outcome } from './command.ts';
import type { Note } from './entry.ts';
import { createLane, type LaneCounts } from './lane.ts';
import { type Balance, type EntryPage, readBalance, readEntries } from './read.ts';

/** The one door through which balances change, and the reads beside it. */
export interface Ledger {
  /**
   * Carries out a command, exactly once per key, and answers after the commit. A refusal is a
   * value; errors are `invalid_request`, `overloaded`, `database_unavailable`, `outcome_unknown`.
   */
  readonly post: (command: Command) => Promise<Outcome>;
  readonly balance: (userId: string) => Promise<Balance>;
  /** A page of the history, newest first, of entries before `before` when it is given. */
  readonly entries: (
    userId: string,
    page: { readonly limit: number; readonly before: number | null },
  ) => Promise<EntryPage>;
  readonly counts: Readonly<LaneCounts>;
  /** Finishes what was accepted, refuses the rest, and closes the lanes' connections. */
  readonly close: () => Promise<void>;
}

export interface LedgerOptions {
  /** The database's URL, for the connections that the lanes keep to themselves. */
  readonly url: string;
  /** The shared connections, for reads. */
  readonly pool: pg.Pool;
  /**
   * How many transactions may be under way at once; an account always uses the same lane. One
   * makes the largest batches (measured against two on two cores: 1.2 times the debits of 10,000
   * accounts); more overlap the waits when the database is far away.
   */
  readonly lanes?: number;
}

export function createLedger({ url, pool, lanes: laneCount = 1 }: LedgerOptions): Ledger {
  const counts: LaneCounts = {
    rounds: 0,
    commands: 0,
    skips: 0,
    splits: 0,
    unknownCommits: 0,
    lockViolations: 0,
  };
  const lanes = Array.from({ length: laneCount }, () => createLane({ url, counts }));
  return {
    counts,
    async post(command) {
      checkCommand(command);
      const lane = lanes[crc32(command.userId) % lanes.length];
      if (!lane) throw new RangeError('a ledger has at least one lane');
      return lane.post(command);
    },
    balance: (userId) => readBalance(pool, userId).catch(rethrow),
    entries: (userId, page) => readEntries(pool, userId, page).catch(rethrow),
    close: async () => {
      await Promise.all(lanes.map((lane) => lane.close()));
    },
  };
}

function rethrow(error: unknown): never {
  throw toPurserError(error);
}

/** What every caller must obey, whichever door it came through: one bad value fails a batch. */
function checkCommand(command: Command): void {
  const notes = command.kind === 'grant' ? command.grants : [command];
  if (notes.length < 1 || notes.length > MAX_GRANTS) {
    refuse(`A command has 1 to ${MAX_GRANTS} grants.`);
  }
  for (const amount of amountsOf(command)) {
    if (!Number.isInteger(amount) || amount < 1 || amount > MAX_AMOUNT) {
      refuse(`An amount is a whole number of credits from 1 to ${MAX_AMOUNT}.`);
    }
  }
  const texts = [command.userId, command.actor, command.idempotencyKey, ...notes.flatMap(textsOf)];
  if (command.kind === 'grant') texts.push(command.grantKey, command.stripeEventId);
  if (command.kind === 'settle_payment') texts.push(command.payment, command.stripeEventId);
  if (!texts.every((text) => text === null || isStorable(text))) {
    refuse('Text must not hold NUL or lone surrogates.');
  }
  if (!hasUserIdLength(command.userId)) {
    refuse('A user id has 1 to 255 characters.');
  }
}

/** Counted as Postgres does: a character beyond the BMP is one, not two. */
function hasUserIdLength(userId: string): boolean {
  const { length } = userId;
  return length >= 1 && (length <= 255 || (length <= 510 && [...userId].length <= 255));
}

function amountsOf(command: Command): readonly number[] {
  switch (command.kind) {
    case 'grant':
      return command.grants.map(({ amount }) => amount);
    case 'debit':
      return [command.amount];
    case 'settle_payment':
      return [];
  }
}

function textsOf({ reason, ref, metadata }: Note): (string | null)[] {
  return [reason, ref, ...Object.entries(metadata ?? {}).flat()];
}

function refuse(message: string): never {
  throw new PurserError('invalid_request', { message });
}
