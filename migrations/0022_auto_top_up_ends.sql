-- Auto top-up: when money was taken, what a user knew when opting in, and payments without credits.

ALTER TABLE auto_top_ups ADD COLUMN seen_seq bigint;

COMMENT ON COLUMN auto_top_ups.seen_seq IS
  'the user''s newest entry when opting in: a claw-back after it stops it; null: written by a release '
  'without it, and enabled_at says so';

ALTER TABLE auto_top_up_attempts
  ADD COLUMN charged_at timestamptz,
  DROP CONSTRAINT state_known,
  ADD CONSTRAINT state_known CHECK (
    state IN ('open', 'charged', 'granted', 'not_granted', 'failed'));

COMMENT ON COLUMN auto_top_up_attempts.charged_at IS
  'when the money was taken; null also where a release without it wrote that it was';
COMMENT ON COLUMN auto_top_up_attempts.reason IS
  'why no money came, or why a payment shall give no credits (not_granted)';
