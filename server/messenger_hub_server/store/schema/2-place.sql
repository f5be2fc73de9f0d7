-- An operation's place in its lane is told apart from the time that a caller gave it: the server's clock may be set back, and what was
-- accepted while it was ahead waits for nothing.
ALTER TABLE operation RENAME COLUMN due_at_ms TO place_ms;
ALTER TABLE operation ADD COLUMN send_at_ms INTEGER;
UPDATE operation SET send_at_ms = place_ms WHERE place_ms > accepted_at_ms;

-- send_at_ms at the end, so that what is held is passed over without reading its row.
DROP INDEX operation_waiting;
DROP INDEX operation_lane;
DROP INDEX operation_held;
CREATE INDEX operation_waiting ON operation (channel_id, priority, place_ms, id, send_at_ms) WHERE state = 'pending';
CREATE INDEX operation_lane ON operation (channel_id, lane, priority, place_ms, id, send_at_ms) WHERE state = 'pending';
CREATE INDEX operation_held ON operation (send_at_ms) WHERE state = 'pending' AND send_at_ms IS NOT NULL;
