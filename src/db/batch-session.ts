import type pg from 'pg';
import { PurserError } from '../errors.ts';
import { openSession, pipelined, type Session, type Statement } from './session.ts';
import { SQLSTATE, sqlState } from './sqlstate.ts';

/** A statement, and whether its commit must outlast a crash by itself. */
export interface BatchStatement extends Statement {
  /**
   * False when it is enough that whatever is committed later and lasts lasts only together with it,
   * as the order of the write-ahead log guarantees: a crash may then lose the last fraction of a
   * second of it, and it must be harmless to carry out again.
   */
  readonly durable: boolean;
}

/** One connection for statements that each carry many callers' work; see `coalesce`. */
export interface BatchSession {
  /**
   * Runs a statement in a transaction of its own and returns its rows after the commit. Once more
   * on a new connection when the old one is lost, so the statement must be harmless to repeat.
   */
  readonly run: <Row extends pg.QueryResultRow>(
    statement: BatchStatement,
    values: readonly unknown[],
  ) => Promise<readonly Row[]>;
  /** Closes the connection; what comes later is refused as `database_unavailable`. */
  readonly close: () => Promise<void>;
}

/** How long one answer may take, and how long an unused connection is kept, in milliseconds. */
const TIMEOUT = 2_500;
const IDLE_TIMEOUT = 30_000;

// As in the ledger's rounds: the plans are pinned to index probes, or each batch would be planned
// anew, which costs as much as carrying out a dozen items of it. One packet for all three parts.
const BEGIN = `
  BEGIN ISOLATION LEVEL READ COMMITTED;
  SET LOCAL statement_timeout = 2000;
  SET LOCAL lock_timeout = 300;
  SET LOCAL idle_in_transaction_session_timeout = 5000;
  SET LOCAL plan_cache_mode = force_generic_plan;
  SET LOCAL enable_seqscan = off;
  SET LOCAL enable_bitmapscan = off`;

const BEGIN_FORGETFUL = `${BEGIN};
  SET LOCAL synchronous_commit = off`;

/**
 * Opens its connection when it is needed; batches of different kinds follow each other on it without
 * waiting for an answer in between.
 */
export function createBatchSession(url: string): BatchSession {
  let session: Promise<Session> | null = null;
  let prepared = true;
  let closed = false;
  let underWay = 0;
  let idle: NodeJS.Timeout | undefined;

  function breakOff(broken: Promise<Session>): void {
    if (session === broken) session = null;
    broken.then(
      (opened) => opened.destroy(),
      () => {},
    );
  }

  async function run<Row extends pg.QueryResultRow>(
    statement: BatchStatement,
    values: readonly unknown[],
  ): Promise<readonly Row[]> {
    const until = Date.now() + TIMEOUT;
    try {
      return await runOnce<Row>(statement, values);
    } catch (error) {
      if (!isLost(error) || Date.now() >= until) throw error;
      return runOnce<Row>(statement, values);
    }
  }

  async function runOnce<Row extends pg.QueryResultRow>(
    statement: BatchStatement,
    values: readonly unknown[],
  ): Promise<readonly Row[]> {
    if (closed) throw new PurserError('database_unavailable');
    clearTimeout(idle);
    session ??= openSession({ url, prepared });
    const used = session;
    underWay += 1;
    const timer = setTimeout(() => breakOff(used), TIMEOUT);
    try {
      return await inTransaction<Row>(await used, statement, values);
    } catch (error) {
      const state = sqlState(error);
      if (state === SQLSTATE.preparedStatementUnknown || state === SQLSTATE.preparedStatementExists)
        prepared = false;
      // The commit that travels with it has ended a failed transaction; all else is unclear.
      if (isLost(error) || !prepared) breakOff(used);
      throw error;
    } finally {
      clearTimeout(timer);
      underWay -= 1;
      if (underWay === 0) idle = setTimeout(letGo, IDLE_TIMEOUT).unref();
    }
  }

  async function letGo(): Promise<void> {
    clearTimeout(idle);
    const last = session;
    session = null;
    await (await last?.catch(() => null))?.close();
  }

  return {
    run,
    async close() {
      closed = true;
      await letGo();
    },
  };
}

/** Whether the connection is gone: no answer of Postgres, or that it ends it. */
function isLost(error: unknown): boolean {
  const state = sqlState(error);
  return state === null || /^(08|57P)/.test(state);
}

async function inTransaction<Row extends pg.QueryResultRow>(
  session: Session,
  statement: BatchStatement,
  values: readonly unknown[],
): Promise<readonly Row[]> {
  const [, { rows }, { command }] = await pipelined([
    session.runText(statement.durable ? BEGIN : BEGIN_FORGETFUL),
    session.run<Row>(statement, values),
    session.runText('COMMIT'),
  ]);
  if (command !== 'COMMIT') {
    const cause = new Error(`the transaction ended with ${command}`);
    throw new PurserError('database_unavailable', { cause });
  }
  return rows;
}
