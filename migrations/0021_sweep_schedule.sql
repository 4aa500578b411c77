-- By which window the accounts' next_due_at were computed, so that a wider one can be caught up with.

CREATE TABLE sweep_schedule (
  singleton       boolean     PRIMARY KEY DEFAULT true,
  expiring_within bigint      NOT NULL,
  earlier_by      bigint      NOT NULL DEFAULT 0,
  moved_up_to     text COLLATE "C" NOT NULL DEFAULT '',
  rounds_left     integer     NOT NULL DEFAULT 0,
  next_round_at   timestamptz,
  CONSTRAINT one_row        CHECK (singleton),
  CONSTRAINT not_negative   CHECK (expiring_within >= 0 AND earlier_by >= 0),
  CONSTRAINT rounds_to_come CHECK ((rounds_left > 0) = (next_round_at IS NOT NULL))
);

COMMENT ON TABLE sweep_schedule IS
  'How long before their expiry lots are announced. When that grew, every next_due_at moves earlier.';
COMMENT ON COLUMN sweep_schedule.expiring_within IS
  'in milliseconds, as the newest server was told; 0 for never';
COMMENT ON COLUMN sweep_schedule.earlier_by IS 'how far accounts move, in milliseconds';
COMMENT ON COLUMN sweep_schedule.moved_up_to IS 'up to which user the round under way has come';
