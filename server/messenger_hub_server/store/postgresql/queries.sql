-- name: take_places
-- For arrays of channel and of the last place that a transaction wants on it, or -1, which moves nobody: the place that its own have to
-- come after, and whether the channel was deleted.
INSERT INTO place AS p (channel_id, last_ms, before_ms) SELECT *, -1 FROM unnest($1::bigint[], $2::bigint[])
ON CONFLICT (channel_id) DO UPDATE SET before_ms = p.last_ms,
  last_ms = CASE excluded.last_ms WHEN -1 THEN p.last_ms ELSE greatest(excluded.last_ms, p.last_ms + 1) END
RETURNING channel_id, before_ms, deleted;

-- name: close_place
-- Of a channel that is deleted; its row is locked.
UPDATE place SET deleted = true WHERE channel_id = $1;

-- name: begin_places
-- Behind what waits, where nothing was accepted yet.
INSERT INTO place AS p (channel_id, last_ms, before_ms)
SELECT channel_id, max(place_ms), -1 FROM operation
WHERE state IN ('pending', 'leased') AND place_ms IS DISTINCT FROM send_at_ms GROUP BY channel_id
ON CONFLICT (channel_id) DO UPDATE SET last_ms = greatest(p.last_ms, excluded.last_ms);

-- name: keep_place
-- Of what comes back to its own place: what is accepted later stands behind it.
UPDATE place SET last_ms = greatest(last_ms, $2) WHERE channel_id = $1;

-- name: fence
-- Nobody else leases, starts or takes an epoch on these channels until this transaction ends.
SELECT channel_id FROM epoch WHERE channel_id = ANY($1::bigint[]) ORDER BY channel_id FOR NO KEY UPDATE;

-- name: insert
-- A row each: the parameters of rows.inserted, a lease that it is handed out under or NULLs, its idempotency key or NULLs.
WITH given AS MATERIALIZED (
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::smallint[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::text[],
    $19::text[], $20::text[], $21::bytea[], $22::bytea[])
  AS g(id, wa_id, channel_id, session_api_id, kind, recipient, target, lane, body, priority, reason, reference, accepted_at_ms, place_ms,
    send_at_ms, expires_at_ms, epoch, lease_id, journal_id, lease_reason, key_hash, parameters_hash)),
stored AS (
  INSERT INTO operation (id, wa_id, channel_id, session_api_id, kind, recipient, target, lane, body, priority, state, reason, reference,
    accepted_at_ms, place_ms, send_at_ms, expires_at_ms, changed_at_ms, epoch, lease_id, journal_id, attempts)
  SELECT id, wa_id, channel_id, session_api_id, kind, recipient, target, lane, body, priority,
    CASE WHEN lease_id IS NULL THEN 'pending' ELSE 'leased' END, coalesce(lease_reason, reason), reference,
    accepted_at_ms, place_ms, send_at_ms, expires_at_ms, accepted_at_ms, epoch, lease_id, journal_id,
    CASE WHEN lease_id IS NULL THEN 0 ELSE 1 END
  FROM given ORDER BY id)
INSERT INTO idempotency (key_hash, channel_id, parameters_hash, operation_id)
SELECT key_hash, channel_id, parameters_hash, id FROM given WHERE key_hash IS NOT NULL ORDER BY key_hash;

-- name: free_lanes
-- For arrays of channel, lane and epoch: of each whether a lease of that epoch may go to a new operation of that lane.
-- Here and in `claimable` a look-up is a subquery of one row, which is one walk down an index whatever the server believes of the table:
-- an EXISTS may become a join, which reads all that waits when the table was small at the last look.
SELECT
  (SELECT true FROM epoch WHERE epoch.channel_id = wanted.channel_id AND epoch.epoch = wanted.epoch LIMIT 1) IS NOT NULL
  AND (SELECT true FROM restored WHERE restored.channel_id = wanted.channel_id LIMIT 1) IS NULL
  AND (SELECT true FROM operation l
    WHERE l.channel_id = wanted.channel_id AND l.state = 'leased' AND l.lane = wanted.lane LIMIT 1) IS NULL
  AND (SELECT true FROM operation p
    WHERE p.channel_id = wanted.channel_id AND p.state = 'pending' AND p.lane = wanted.lane LIMIT 1) IS NULL
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) WITH ORDINALITY AS wanted(channel_id, lane, epoch, position) ORDER BY position;

-- name: find_keys
SELECT i.key_hash, i.operation_id, i.parameters_hash, o.recipient, o.target, o.state, o.started, o.channel_id
FROM idempotency i JOIN operation o ON o.id = i.operation_id AND o.channel_id = i.channel_id
WHERE i.key_hash = ANY($1::bytea[]) ORDER BY o.id FOR NO KEY UPDATE OF o;

-- name: claimable
-- For arrays of channel, epoch and now: candidates, each behind its claim's position, in the order in which they should start; the
-- caller takes one per lane. Two index look-ups a row: a lane's own queue behind its head is passed over.
SELECT wanted.position, candidate.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
  WITH ORDINALITY AS wanted(channel_id, epoch, now_ms, position)
CROSS JOIN LATERAL (
  SELECT o.lane, o.id, o.wa_id, o.channel_id, o.session_api_id, o.kind, o.recipient, o.target, o.body, o.priority, o.reference,
    o.accepted_at_ms, o.place_ms, o.send_at_ms, o.expires_at_ms, o.attempts, o.problem_code, o.problem_message, o.successor,
    (SELECT encode(key_hash, 'hex') FROM idempotency i WHERE i.operation_id = o.id AND i.channel_id = o.channel_id) AS key_hash,
    (SELECT encode(parameters_hash, 'hex') FROM idempotency i WHERE i.operation_id = o.id AND i.channel_id = o.channel_id) AS parameters_hash
  FROM operation o
  WHERE o.channel_id = wanted.channel_id AND o.state = 'pending' AND coalesce(o.send_at_ms, 0) <= wanted.now_ms
    AND (o.not_before_ms IS NULL OR o.not_before_ms <= wanted.now_ms)
    AND (o.expires_at_ms IS NULL OR o.expires_at_ms > wanted.now_ms)
    AND (SELECT true FROM operation l WHERE l.channel_id = o.channel_id AND l.state = 'leased' AND l.lane = o.lane LIMIT 1) IS NULL
    AND (SELECT true FROM operation e WHERE e.channel_id = o.channel_id AND e.state = 'pending' AND e.lane = o.lane
      AND e.priority = o.priority AND (e.place_ms, e.id) < (o.place_ms, o.id) AND coalesce(e.send_at_ms, 0) <= wanted.now_ms
      LIMIT 1) IS NULL
  ORDER BY o.priority, o.place_ms, o.id LIMIT $4
) candidate
WHERE (SELECT true FROM epoch WHERE epoch.channel_id = wanted.channel_id AND epoch.epoch = wanted.epoch LIMIT 1) IS NOT NULL
  AND (SELECT true FROM restored WHERE restored.channel_id = wanted.channel_id LIMIT 1) IS NULL
ORDER BY wanted.position, candidate.priority, candidate.place_ms, candidate.id;

-- name: lease
WITH given AS MATERIALIZED (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[])
  AS g(id, channel_id, epoch, lease_id, journal_id, now_ms, reason)),
locked AS MATERIALIZED (
  SELECT o.id, o.channel_id FROM given g JOIN operation o ON o.id = g.id AND o.channel_id = g.channel_id
  WHERE o.state = 'pending' ORDER BY o.id FOR NO KEY UPDATE OF o)
UPDATE operation SET state = 'leased', epoch = g.epoch, lease_id = g.lease_id, journal_id = g.journal_id, started = false,
  attempts = attempts + 1, changed_at_ms = g.now_ms, reason = g.reason, not_before_ms = NULL
FROM given g JOIN locked k ON k.id = g.id AND k.channel_id = g.channel_id
WHERE operation.id = k.id AND operation.channel_id = k.channel_id
RETURNING operation.id;

-- name: waiting
-- For an array of channels: whether something of each is pending.
SELECT (SELECT true FROM operation o WHERE o.channel_id = c.channel_id AND o.state = 'pending' LIMIT 1) IS NOT NULL
FROM unnest($1::bigint[]) WITH ORDINALITY AS c(channel_id, position) ORDER BY position;

-- name: start
-- For arrays of lease, epoch and channel: those that stand.
WITH locked AS MATERIALIZED (
  SELECT o.id, o.channel_id FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS s(lease_id, epoch, channel_id)
  JOIN operation o ON o.lease_id = s.lease_id AND o.epoch = s.epoch AND o.channel_id = s.channel_id AND o.state = 'leased'
  JOIN epoch e ON e.channel_id = o.channel_id AND e.epoch = o.epoch
  ORDER BY o.id FOR NO KEY UPDATE OF o)
UPDATE operation SET started = true FROM locked k WHERE operation.id = k.id AND operation.channel_id = k.channel_id
RETURNING operation.lease_id, operation.epoch, operation.channel_id;

-- name: deciding
-- For an array of WhatsApp ids and one of numbers: what decides about a change of each operation that is there.
SELECT o.wa_id, o.id, o.state, o.started, o.lease_id, o.session_api_id, o.channel_id FROM operation o
WHERE o.id = ANY (ARRAY(SELECT w.id FROM operation w WHERE w.wa_id = ANY($1::text[])) || $2::bigint[])
ORDER BY o.id FOR NO KEY UPDATE;

-- name: change
-- Of rows that are locked.
UPDATE operation SET state = c.state, changed_at_ms = c.at_ms, reason = c.reason, problem_code = c.problem_code,
  problem_message = c.problem_message, not_before_ms = c.not_before_ms
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[])
  AS c(id, channel_id, state, at_ms, reason, problem_code, problem_message, not_before_ms)
WHERE operation.id = c.id AND operation.channel_id = c.channel_id;

-- name: fail_replaced
UPDATE operation SET state = 'failed', changed_at_ms = $2, reason = $3, problem_code = $4, problem_message = $5, successor = $6
WHERE id = $1 AND state = 'uncertain' AND ($7::bigint IS NULL OR session_api_id = $7);

-- name: operation_by_wa_id
SELECT id, channel_id, state, started FROM operation WHERE wa_id = $1 ORDER BY channel_id = $2 DESC LIMIT 1 FOR NO KEY UPDATE;

-- name: number_is_taken
SELECT EXISTS (SELECT FROM operation WHERE id = $1);

-- name: adopt
UPDATE operation SET state = 'leased', epoch = $3, lease_id = $4, journal_id = $5, started = true,
  attempts = attempts + 1, changed_at_ms = $6, reason = $7
WHERE id = $1 AND channel_id = $2;

-- name: take_over
UPDATE operation SET wa_id = $3, epoch = $4, lease_id = $5, journal_id = $6, started = true WHERE id = $1 AND channel_id = $2;

-- name: latest_place_of_earlier
-- Of what was accepted before that time and still waits in the lane; what is held until a time of its own has no place yet.
SELECT coalesce(max(place_ms), 0) FROM operation
WHERE channel_id = $1 AND lane = $2 AND state = 'pending' AND accepted_at_ms <= $3 AND place_ms IS DISTINCT FROM send_at_ms;

-- name: take_epoch
INSERT INTO epoch (channel_id, epoch, journal_id) VALUES ($1, $2, $3)
ON CONFLICT (channel_id) DO UPDATE SET epoch = excluded.epoch, journal_id = excluded.journal_id
WHERE excluded.epoch > epoch.epoch;

-- name: advance
INSERT INTO journal (channel_id, journal_id, sequence) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])
ON CONFLICT (channel_id, journal_id) DO UPDATE SET sequence = greatest(excluded.sequence, journal.sequence);

-- name: change_queue
WITH locked AS MATERIALIZED (
  SELECT id, channel_id FROM operation
  WHERE channel_id = $1 AND (state = 'pending' OR ($2::boolean AND state = 'leased' AND NOT started))
    AND ($3::bigint IS NULL OR session_api_id = $3) AND ($4::text IS NULL OR reference = $4)
    AND ($5::text IS NULL OR target = $5) AND ($6::bigint IS NULL OR id < $6)
  ORDER BY id FOR NO KEY UPDATE)
UPDATE operation SET state = $7, changed_at_ms = $8, reason = $9, problem_code = $10, problem_message = $11, not_before_ms = NULL
FROM locked k WHERE operation.id = k.id AND operation.channel_id = k.channel_id
RETURNING operation.id;

-- name: expire_due
WITH locked AS MATERIALIZED (
  SELECT o.id, o.channel_id FROM operation o
  WHERE o.state = 'pending' AND o.expires_at_ms IS NOT NULL AND o.expires_at_ms <= $1
    AND NOT EXISTS (SELECT FROM restored r WHERE r.channel_id = o.channel_id)
  ORDER BY o.id FOR NO KEY UPDATE OF o)
UPDATE operation SET state = 'expired', changed_at_ms = $1, reason = $2
FROM locked k WHERE operation.id = k.id AND operation.channel_id = k.channel_id
RETURNING operation.id;

-- name: erase
WITH locked AS MATERIALIZED (
  SELECT id, channel_id FROM operation
  WHERE id = ANY($1::bigint[]) AND state NOT IN ('pending', 'leased') AND erased_at_ms IS NULL ORDER BY id FOR NO KEY UPDATE),
erased AS (
  UPDATE operation SET recipient = '', target = '', lane = '', body = '', reference = '', reason = '',
    problem_message = CASE WHEN problem_code IS NULL THEN NULL ELSE '' END, erased_at_ms = $2
  FROM locked k WHERE operation.id = k.id AND operation.channel_id = k.channel_id
  RETURNING operation.id, operation.channel_id),
blanked AS (
  UPDATE event SET reason = '' FROM erased WHERE event.operation_id = erased.id AND event.channel_id = erased.channel_id)
SELECT count(*) FROM erased;

-- name: purge
WITH locked AS MATERIALIZED (
  SELECT o.id, o.channel_id FROM operation o
  WHERE o.id = ANY($1::bigint[]) AND o.state NOT IN ('pending', 'leased')
    AND NOT EXISTS (SELECT FROM restored r WHERE r.channel_id = o.channel_id)
  ORDER BY o.id FOR UPDATE OF o)
DELETE FROM operation USING locked k WHERE operation.id = k.id AND operation.channel_id = k.channel_id;

-- name: mark_restored
INSERT INTO restored (channel_id, journal_id, before) VALUES ($1, $2, $3)
ON CONFLICT (channel_id) DO UPDATE SET journal_id = excluded.journal_id, before = excluded.before;

-- name: end_restored
DELETE FROM restored WHERE channel_id = $1;

-- name: put_record
INSERT INTO record (kind, id, body) VALUES ($1, $2, $3) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body;

-- name: record
SELECT body FROM record WHERE kind = $1 AND id = $2 FOR NO KEY UPDATE;

-- name: remove_record
DELETE FROM record WHERE kind = $1 AND id = $2;

-- name: raise_registry_version
UPDATE registry_version SET version = version + 1 WHERE $1::bigint IS NULL OR version = $1::bigint RETURNING version;

-- name: records
SELECT kind, id, body FROM record;

-- name: put_groups
INSERT INTO channel_groups (channel_id, body, as_of_ms) VALUES ($1, $2, $3)
ON CONFLICT (channel_id) DO UPDATE SET body = excluded.body, as_of_ms = excluded.as_of_ms;

-- name: groups
SELECT body, as_of_ms FROM channel_groups WHERE channel_id = $1;

-- name: take_numbers
INSERT INTO number AS n (kind, last) VALUES ($1, $3::bigint + $2::bigint)
ON CONFLICT (kind) DO UPDATE SET last = greatest(n.last, $3) + $2 RETURNING last;

-- name: raise_number
INSERT INTO number AS n (kind, last) VALUES ($1, $2)
ON CONFLICT (kind) DO UPDATE SET last = greatest(n.last, excluded.last) RETURNING last;

-- name: begin_operations
INSERT INTO number AS n (kind, last) SELECT $1, greatest($2::bigint, max(id)) FROM operation
ON CONFLICT (kind) DO UPDATE SET last = n.last RETURNING last;

-- name: last_number
SELECT last FROM number WHERE kind = $1;

-- name: note_nodes
-- Whoever works holds this lock.
UPDATE hub SET shared = true WHERE NOT shared AND (SELECT count(*) FROM pg_locks
  WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = 0 AND objid = $1::bigint::oid AND objsubid = 1 AND granted) > 1;

-- name: is_shared
SELECT shared FROM hub;

-- name: probe
UPDATE hub SET probed = probed + 1;

-- name: epoch
SELECT epoch, journal_id FROM epoch WHERE channel_id = $1;

-- name: sequence
SELECT sequence FROM journal WHERE channel_id = $1 AND journal_id = $2;

-- name: restored
SELECT * FROM restored ORDER BY channel_id;

-- name: restored_channel
SELECT * FROM restored WHERE channel_id = $1;

-- name: known_wa_ids
SELECT wa_id FROM operation WHERE wa_id = ANY($1::text[]);

-- name: operation
SELECT o.*, i.key_hash, i.parameters_hash
FROM operation o LEFT JOIN idempotency i ON i.operation_id = o.id AND i.channel_id = o.channel_id WHERE o.id = $1;

-- name: leased
SELECT o.*, i.key_hash, i.parameters_hash
FROM operation o LEFT JOIN idempotency i ON i.operation_id = o.id AND i.channel_id = o.channel_id
WHERE o.channel_id = $1 AND o.state = 'leased' ORDER BY o.id;

-- name: operations_of
SELECT o.*, i.key_hash, i.parameters_hash
FROM operation o LEFT JOIN idempotency i ON i.operation_id = o.id AND i.channel_id = o.channel_id
WHERE o.id > $2 AND o.target = $1 ORDER BY o.id LIMIT $3;

-- name: list
SELECT o.*, i.key_hash, i.parameters_hash
FROM operation o LEFT JOIN idempotency i ON i.operation_id = o.id AND i.channel_id = o.channel_id
WHERE ($1::bigint IS NULL OR o.channel_id = $1) AND ($2::bigint IS NULL OR o.session_api_id = $2)
  AND ($3::text IS NULL OR o.state = $3) AND ($4::text IS NULL OR o.kind = $4)
  AND ($5::text IS NULL OR o.reference = $5) AND ($6::text IS NULL OR strpos(o.recipient, $6) > 0)
  AND ($7::bigint IS NULL OR o.place_ms < $7) AND ($8::bigint IS NULL OR o.id < $8)
ORDER BY o.id DESC LIMIT $9;

-- name: ages
SELECT id, state, changed_at_ms, erased_at_ms IS NOT NULL AS erased, accepted_at_ms FROM operation
WHERE id > $1 ORDER BY id LIMIT $2;

-- name: erased
SELECT wa_id FROM operation WHERE channel_id = $1 AND erased_at_ms IS NOT NULL AND changed_at_ms >= $2;

-- name: events
SELECT id, operation_id, state, at_ms, reason FROM event WHERE operation_id = $1 ORDER BY id;

-- name: events_after
SELECT e.id AS event_id, e.state AS event_state, e.at_ms, e.reason AS event_reason, o.*, i.key_hash, i.parameters_hash
FROM event e JOIN operation o ON o.id = e.operation_id AND o.channel_id = e.channel_id
LEFT JOIN idempotency i ON i.operation_id = o.id AND i.channel_id = o.channel_id
WHERE e.id > $1 AND e.id <= $4 AND ($2::bigint IS NULL OR o.session_api_id = $2)
ORDER BY e.id LIMIT $3;

-- name: event_writers
SELECT last, writers FROM event_writers();

-- name: event_range
SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM event WHERE id <= $1;

-- name: queue_depths
SELECT channel_id, count(*), min(accepted_at_ms) FROM operation WHERE state = 'pending' GROUP BY channel_id;

-- name: queue_depth
SELECT count(*), min(accepted_at_ms) FROM operation WHERE state = 'pending' AND channel_id = $1;

-- name: uncertain_counts
SELECT channel_id, count(*) FROM operation WHERE state = 'uncertain' GROUP BY channel_id;

-- name: waiting_since
-- Each half from a partial index; a condition on both states would read every row.
SELECT channel_id, min(place) FROM (
  SELECT channel_id, min(place_ms) AS place FROM operation
  WHERE state = 'pending' AND coalesce(send_at_ms, 0) <= $1 AND (not_before_ms IS NULL OR not_before_ms <= $1) GROUP BY channel_id
  UNION ALL SELECT channel_id, min(place_ms) FROM operation WHERE state = 'leased' GROUP BY channel_id) places
GROUP BY channel_id;

-- name: overdue
WITH late AS (
  SELECT place_ms FROM operation WHERE state = 'pending' AND channel_id = $1 AND priority IN (1, 2, 3) AND place_ms >= $2 AND place_ms < $3)
SELECT (SELECT count(*) FROM (SELECT FROM late LIMIT $4) counted), (SELECT coalesce(min(place_ms), 0) FROM late);

-- name: passed
SELECT (at_ms - $1) / $2 AS step, from_state, state, count(*) AS count FROM event WHERE at_ms >= $1 GROUP BY step, from_state, state;

-- name: counts
SELECT (SELECT count(*) FROM operation WHERE state = 'pending'), (SELECT count(*) FROM operation WHERE state = 'leased'),
  (SELECT count(*) FROM operation WHERE state = 'uncertain');

-- name: next_wake
SELECT min(at) FROM (
  SELECT min(send_at_ms) AS at FROM operation WHERE state = 'pending' AND send_at_ms > $1
  UNION ALL SELECT min(not_before_ms) FROM operation WHERE state = 'pending' AND not_before_ms > $1
  UNION ALL SELECT min(o.expires_at_ms) FROM operation o WHERE o.state = 'pending' AND o.expires_at_ms IS NOT NULL
    AND NOT EXISTS (SELECT FROM restored r WHERE r.channel_id = o.channel_id)) wakes;

-- name: latest_place
SELECT coalesce(max(place), 0) FROM (
  SELECT max(place_ms) AS place FROM operation WHERE state = 'pending' AND place_ms IS DISTINCT FROM send_at_ms
  UNION ALL SELECT max(place_ms) FROM operation WHERE state = 'leased' AND place_ms IS DISTINCT FROM send_at_ms) places;

-- name: high_marks
SELECT (SELECT coalesce(max(id), 0) FROM operation) AS operation_id, channel_id, epoch
FROM (SELECT 1) once LEFT JOIN epoch ON true;
