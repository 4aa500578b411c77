-- A cause may go away while an attempt that cannot know it any more is under way: what wakes an
-- event is noted while it is claimed, too.

ALTER TABLE stripe_events ADD COLUMN claimed boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN stripe_events.claimed IS
  'parked events: whether an attempt holds it; what wakes it then empties waits_for, and leaves the '
  'lease as it is';
