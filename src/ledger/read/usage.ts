import type pg from 'pg';
import { findStretch } from './statement.ts';

/** What usage is summed up by: the day on which it happened, its reason, or its operation. */
type UsageGrouping = 'day' | 'reason' | 'operation';

/** What usage is asked for, from one moment until before another, in milliseconds since 1970. */
export interface UsageQuery {
  readonly groupBy: UsageGrouping;
  /** The IANA zone of the days, such as `Europe/Berlin`. */
  readonly timeZone: string;
  readonly from: number;
  readonly to: number;
}

interface UsageSum {
  /** Credits of debits and captures, without those that reversals gave back. */
  readonly spent: number;
  /** Credits that reversals gave back. */
  readonly reversed: number;
  /** How many debits and captures. */
  readonly count: number;
}

interface UsageGroup extends UsageSum {
  /** The day, the reason or the operation; null for what has none. */
  readonly group: string | null;
  /** How much of the operation was used, an exact decimal; null in other groupings. */
  readonly quantity: string | null;
}

export interface Usage {
  /** Days in their order, everything else by what was spent. */
  readonly groups: readonly UsageGroup[];
  /** All groups beyond the first `MAX_GROUPS`; null when there are none. */
  readonly rest: UsageSum | null;
}

/** How many groups are told apart; a year of days and a bit fits. */
export const MAX_GROUPS = 500;
/**
 * How many entries one query sums up, at most. It may run for 2 s; on two busy cores, before the
 * table was analysed, 500,000 took 1.5 s and more.
 */
export const MAX_ENTRIES = 200_000;

interface Grouping {
  readonly group: string;
  /** Which groups come first. */
  readonly order: string;
  /** What a group is called: written once for each, since for each entry it took half the time. */
  readonly name: string;
}

const BIGGEST_FIRST = {
  order: 'sum(-delta) DESC, grouped COLLATE "C" NULLS LAST',
  name: 'min(grouped)',
};

const GROUPINGS: Readonly<Record<UsageGrouping, Grouping>> = {
  day: {
    group: '(created_at AT TIME ZONE $4)::date',
    order: 'grouped',
    name: `to_char(min(grouped), 'YYYY-MM-DD')`,
  },
  reason: {
    group: `CASE kind WHEN 'reversal' THEN coalesce(taken.reason, hold.reason)
                      ELSE coalesce(e.reason, hold.reason) END`,
    ...BIGGEST_FIRST,
  },
  operation: {
    group: 'coalesce(e.operation, taken.operation, hold.operation)',
    ...BIGGEST_FIRST,
  },
};

const FROM_ENTRIES = 'FROM credit_ledger e';

// A capture counts for what its hold was opened for, a reversal for what it gives back. LIMIT 1
// keeps these joins what they are, index probes for the entries that need them: as a plain join
// the planner may read all histories for it.
const FROM_ENTRIES_WITH_CAUSES = `
    FROM credit_ledger e
    LEFT JOIN LATERAL (SELECT reason, operation, hold_id FROM credit_ledger
                        WHERE e.kind = 'reversal' AND user_id = $1 AND seq = e.reverses_seq
                        LIMIT 1) taken ON true
    LEFT JOIN LATERAL (SELECT reason, operation, quantity FROM credit_ledger
                        WHERE e.kind <> 'debit' AND kind = 'hold' AND user_id = $1
                          AND hold_id = coalesce(e.hold_id, taken.hold_id)
                        LIMIT 1) hold ON true`;

function sumUp(groupBy: UsageGrouping): string {
  const { group, order, name } = GROUPINGS[groupBy];
  const quantity =
    groupBy === 'operation'
      ? `CASE WHEN e.kind <> 'reversal' THEN coalesce(e.quantity, hold.quantity) END`
      : 'NULL::numeric';
  return `
    WITH used AS (
      SELECT e.kind, e.delta, ${group} AS grouped, ${quantity} AS quantity
      ${groupBy === 'day' ? FROM_ENTRIES : FROM_ENTRIES_WITH_CAUSES}
       WHERE e.user_id = $1 AND e.seq >= $2 AND e.seq < $3
         AND e.kind IN ('debit', 'capture', 'reversal')
         AND $4::text IS NOT NULL
    ), placed AS (
      SELECT grouped, least(row_number() OVER (ORDER BY ${order}), ${MAX_GROUPS} + 1) AS place,
             sum(-delta) AS spent,
             coalesce(sum(delta) FILTER (WHERE kind = 'reversal'), 0) AS reversed,
             count(*) FILTER (WHERE kind <> 'reversal') AS uses,
             sum(quantity) AS quantity
        FROM used
       GROUP BY grouped
    )
    SELECT place > ${MAX_GROUPS} AS is_rest, ${name} AS grouped,
           sum(spent)::bigint AS spent, sum(reversed)::bigint AS reversed,
           sum(uses)::bigint AS count, trim_scale(sum(quantity))::text AS quantity
      FROM placed
     GROUP BY place
     ORDER BY place`;
}

interface UsageRow extends UsageSum {
  is_rest: boolean;
  grouped: string | null;
  quantity: string | null;
}

/** Sums up what was spent; null when the time holds more entries than `MAX_ENTRIES`. */
export async function readUsage(
  pool: pg.Pool,
  userId: string,
  { groupBy, timeZone, from, to }: UsageQuery,
): Promise<Usage | null> {
  const { first, end } = await findStretch(pool, userId, { from, to });
  if (end - first > MAX_ENTRIES) return null;
  const { rows } = await pool.query<UsageRow>(sumUp(groupBy), [userId, first, end, timeZone]);
  const rest = rows.find(({ is_rest: isRest }) => isRest);
  return {
    groups: rows.filter((row) => row !== rest).map(toGroup),
    rest: rest ? toSum(rest) : null,
  };
}

function toGroup(row: UsageRow): UsageGroup {
  return { group: row.grouped, ...toSum(row), quantity: row.quantity };
}

function toSum({ spent, reversed, count }: UsageRow): UsageSum {
  return { spent, reversed, count };
}
