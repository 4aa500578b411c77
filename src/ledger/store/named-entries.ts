import type { Session, Statement } from '../../db/session.ts';
import type { Command } from '../core/command.ts';
import type { Entry } from '../core/entry.ts';
import { ENTRY_COLUMNS, type EntryRow, toEntry } from './entry-row.ts';

// An id is taken by the entry that opened a hold, and one that is not open any more was ended by an
// entry: each has an index of its own. LIMIT keeps the probes apart: joined freely, a plan that was
// made while there were few holds reads all of them.
const FIND_HOLD_ENTRIES: Statement = {
  name: 'find_hold_entries',
  text: `
    SELECT ${ENTRY_COLUMNS}
      FROM unnest($1::text[], $2::text[]) AS opening (holder, named)
     CROSS JOIN LATERAL (SELECT *
                           FROM credit_ledger
                          WHERE user_id = holder AND hold_id = named AND kind = 'hold'
                          LIMIT 1) AS opened
     UNION ALL
    SELECT ${ENTRY_COLUMNS}
      FROM unnest($3::text[], $4::text[]) AS ending (holder, named)
     CROSS JOIN LATERAL (SELECT *
                           FROM credit_ledger
                          WHERE user_id = holder AND hold_id = named
                            AND kind IN ('capture', 'release')
                          LIMIT 1) AS ended`,
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

/** The entries that opened the holds that `commands` open, and that ended those that they end. */
export function findNamedHolds(
  session: Session,
  commands: readonly Command[],
): Promise<readonly Entry[]> {
  const opening: Name[] = [];
  const ending: Name[] = [];
  for (const command of commands) {
    if (!('holdId' in command) || command.holdId === null) continue;
    const { kind, userId, holdId } = command;
    (kind === 'hold' ? opening : ending).push([userId, holdId]);
  }
  return find(session, FIND_HOLD_ENTRIES, opening, ending);
}

/** The entries that `commands` reverse, with what decides where their credits go back to. */
export function findReversible(
  session: Session,
  commands: readonly Command[],
): Promise<readonly Entry[]> {
  const names = commands.flatMap((command): Name[] =>
    command.kind === 'reverse' ? [[command.userId, command.reversesSeq]] : [],
  );
  return find(session, FIND_REVERSIBLE, names);
}

/** An account, and what names an entry of it. */
type Name = readonly [userId: string, name: string | number];

async function find(
  session: Session,
  statement: Statement,
  ...asked: readonly (readonly Name[])[]
): Promise<readonly Entry[]> {
  if (asked.every((names) => names.length === 0)) return [];
  const values = asked.flatMap((names) => [
    names.map(([userId]) => userId),
    names.map(([, name]) => name),
  ]);
  const { rows } = await session.run<EntryRow>(statement, values);
  return rows.map(toEntry);
}
