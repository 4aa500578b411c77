import type { Session, Statement } from '../../db/session.ts';
import type { Command } from '../core/command.ts';
import type { Entry } from '../core/entry.ts';
import { ENTRY_COLUMNS, type EntryRow, toEntry } from './entry-row.ts';

// Two indexes, one for the entry that opens a hold and one for the entry that ends it. LIMIT keeps
// the probes apart: joined freely, a plan that was made while there were few holds reads all of them.
const FIND_HOLD_ENTRIES: Statement = {
  name: 'find_hold_entries',
  text: `
    SELECT ${ENTRY_COLUMNS}
      FROM unnest($1::text[], $2::text[]) AS asked (holder, named)
     CROSS JOIN LATERAL (
           (SELECT *
              FROM credit_ledger
             WHERE user_id = holder AND hold_id = named AND kind = 'hold'
             LIMIT 1)
             UNION ALL
           (SELECT *
              FROM credit_ledger
             WHERE user_id = holder AND hold_id = named AND kind IN ('capture', 'release')
             LIMIT 1)) AS found`,
};

// What is to be reversed, what brought credits into the lots that it drew, the grants of what was
// reinstated among that, and what has reversed each of them. OFFSET keeps probes apart, as LIMIT does.
const FIND_REVERSIBLE: Statement = {
  name: 'find_reversible',
  text: `
      WITH target AS (
           SELECT user_id, seq, draws
             FROM credit_ledger
             JOIN unnest($1::text[], $2::bigint[]) AS asked (user_id, seq) USING (user_id, seq)),
           drawn AS (
           SELECT DISTINCT user_id, (draw ->> 'lot')::bigint AS lot
             FROM target, jsonb_array_elements(draws) AS draw),
           filling AS (
           SELECT user_id, entry.*
             FROM drawn,
                  LATERAL (SELECT seq, kind, reverses_seq FROM credit_ledger
                            WHERE user_id = drawn.user_id AND seq = drawn.lot
                            LIMIT 1) AS entry
            UNION ALL
           SELECT user_id, entry.*
             FROM drawn,
                  LATERAL (SELECT seq, kind, reverses_seq FROM credit_ledger
                            WHERE user_id = drawn.user_id AND lot = drawn.lot AND lot <> seq
                           OFFSET 0) AS entry),
           named AS (
           SELECT user_id, seq FROM target
            UNION
           SELECT user_id, seq FROM filling
            UNION
           SELECT user_id, reverses_seq FROM filling WHERE kind = 'reinstatement')
    SELECT ${ENTRY_COLUMNS} FROM credit_ledger JOIN named USING (user_id, seq)
     UNION ALL
    SELECT ${ENTRY_COLUMNS}
      FROM named AS n (holder, named),
           LATERAL (SELECT * FROM credit_ledger
                     WHERE user_id = holder AND reverses_seq = named
                    OFFSET 0) AS reversing`,
};

/** The entries that opened and ended the holds that `commands` name. */
export function findNamedHolds(
  session: Session,
  commands: readonly Command[],
): Promise<readonly Entry[]> {
  const names = commands.flatMap((command) => {
    const holdId = 'holdId' in command ? command.holdId : null;
    return holdId === null ? [] : [[command.userId, holdId] as const];
  });
  return find(session, FIND_HOLD_ENTRIES, names);
}

/** The entries that `commands` reverse, with what decides where their credits go back to. */
export function findReversible(
  session: Session,
  commands: readonly Command[],
): Promise<readonly Entry[]> {
  const names = commands.flatMap((command) =>
    command.kind === 'reverse' ? [[command.userId, command.reversesSeq] as const] : [],
  );
  return find(session, FIND_REVERSIBLE, names);
}

async function find(
  session: Session,
  statement: Statement,
  names: readonly (readonly [userId: string, name: string | number])[],
): Promise<readonly Entry[]> {
  if (names.length === 0) return [];
  const users = names.map(([userId]) => userId);
  const { rows } = await session.run<EntryRow>(statement, [users, names.map(([, name]) => name)]);
  return rows.map(toEntry);
}
