-- An event's id is taken before its transaction commits, so with several writers a larger one may be there first. Whoever writes events
-- holds a lock, shared with all others who do, from before it takes an id to its end. An id is settled, it is there or never will be, once
-- nobody who held the lock when it was taken holds it any more.

CREATE OR REPLACE FUNCTION operation_accepted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(1835532292);
  INSERT INTO messenger_hub.event (operation_id, channel_id, from_state, state, at_ms, reason)
  SELECT fresh.id, fresh.channel_id, step.from_state, step.state, fresh.changed_at_ms, step.reason
  FROM fresh CROSS JOIN LATERAL (
    SELECT 1 AS number, '' AS from_state, fresh.state, fresh.reason WHERE fresh.state <> 'leased'
    UNION ALL SELECT 1, '', 'pending', 'Accepted' WHERE fresh.state = 'leased'
    UNION ALL SELECT 2, 'pending', 'leased', fresh.reason WHERE fresh.state = 'leased') step
  ORDER BY fresh.id, step.number;
  RETURN NULL;
END $$;

-- The connection that writes has hash joins off, which is right for tables and not for these two.
CREATE OR REPLACE FUNCTION operation_changed() RETURNS trigger LANGUAGE plpgsql SET enable_hashjoin = on AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(1835532292);
  INSERT INTO messenger_hub.event (operation_id, channel_id, from_state, state, at_ms, reason)
  SELECT later.id, later.channel_id, earlier.state, later.state, later.changed_at_ms, later.reason
  FROM later JOIN earlier ON earlier.id = later.id AND earlier.channel_id = later.channel_id
  WHERE earlier.state <> later.state
  ORDER BY later.id;
  RETURN NULL;
END $$;

-- The last id that was taken, and then who holds the lock: in this order, or one who took an id in between would be overlooked. Locks are
-- let go after what they covered can be seen.
CREATE FUNCTION event_writers(OUT last bigint, OUT writers text[]) LANGUAGE plpgsql AS $$
BEGIN
  SELECT last_value - (NOT is_called)::integer INTO last FROM messenger_hub.event_id_seq;
  SELECT coalesce(array_agg(virtualtransaction), '{}') INTO writers FROM pg_locks
  WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = 0 AND objid = 1835532292 AND objsubid = 1 AND granted;
END $$;
