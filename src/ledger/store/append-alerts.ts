import type { Session, Statement } from '../../db/session.ts';
import type { Alert } from '../core/alert.ts';

// Positions are given in the order of the array, and every other alert of these accounts waits for
// their locks, so they tell the order of an account's alerts. A lot that was announced already is
// left out. The deliveries are written here, too: somebody who sees an alert then sees what becomes
// of it, and no second process has to look for alerts that nobody has handed out.
const APPEND_ALERTS: Statement = {
  name: 'append_alerts',
  text: `
    WITH added AS (
      INSERT INTO alerts (user_id, seq, type, lot, data, created_at)
      SELECT user_id, seq, type, lot, data, created_at
        FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::json[],
                    $6::timestamptz[])
             WITH ORDINALITY AS alert (user_id, seq, type, lot, data, created_at, place)
       ORDER BY place
          ON CONFLICT (user_id, lot) WHERE lot IS NOT NULL DO NOTHING
      RETURNING position, user_id, type)
    INSERT INTO alert_deliveries (endpoint_id, position, user_id)
    SELECT e.id, position, user_id
      FROM added
      JOIN webhook_endpoints e
        ON e.deleted_at IS NULL AND (e.types IS NULL OR added.type = ANY (e.types))`,
};

/** Writes alerts, and files each for the endpoints that want its type. */
export function appendAlerts(session: Session, alerts: readonly Alert[]) {
  return session.run(APPEND_ALERTS, [
    alerts.map(({ userId }) => userId),
    alerts.map(({ seq }) => seq),
    alerts.map(({ type }) => type),
    alerts.map(({ lot }) => lot),
    alerts.map(({ data }) => JSON.stringify(data)),
    alerts.map(({ createdAt }) => new Date(createdAt).toISOString()),
  ]);
}
