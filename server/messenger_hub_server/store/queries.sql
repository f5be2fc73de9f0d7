-- name: insert_operation
INSERT INTO operation (id, wa_id, channel_id, session_api_id, kind, recipient, target, lane, body, priority, state, reason,
  reference, accepted_at_ms, place_ms, send_at_ms, expires_at_ms, changed_at_ms)
VALUES (:id, :wa_id, :channel_id, :session_api_id, :kind, :recipient, :target, :lane, :body, :priority, 'pending', :reason,
  :reference, :accepted_at_ms, :place_ms, :send_at_ms, :expires_at_ms, :accepted_at_ms);

-- name: insert_operations
-- As insert_operation, for a JSON array of its parameters in their order.
INSERT INTO operation (id, wa_id, channel_id, session_api_id, kind, recipient, target, lane, body, priority, state, reason,
  reference, accepted_at_ms, place_ms, send_at_ms, expires_at_ms, changed_at_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9,
  'pending', value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, value ->> 12
FROM json_each(?);

-- name: insert_leased
-- As insert_operations, each parameter list with [epoch, lease, journal, reason of the lease] behind it: it goes at once.
INSERT INTO operation (id, wa_id, channel_id, session_api_id, kind, recipient, target, lane, body, priority, state,
  reference, accepted_at_ms, place_ms, send_at_ms, expires_at_ms, changed_at_ms, epoch, lease_id, journal_id, reason, attempts)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9,
  'leased', value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, value ->> 12,
  value ->> 16, value ->> 17, value ->> 18, value ->> 19, 1
FROM json_each(?);

-- name: free_lanes
-- For a JSON array of [channel, lane, epoch]: of each whether a lease of that epoch may go to a new operation of that lane.
WITH wanted AS MATERIALIZED (
  SELECT value ->> 0 AS channel_id, value ->> 1 AS lane, value ->> 2 AS epoch FROM json_each(?))
SELECT json_group_array(
  EXISTS (SELECT 1 FROM epoch WHERE epoch.channel_id = wanted.channel_id AND epoch.epoch = wanted.epoch)
  AND NOT EXISTS (SELECT 1 FROM restored WHERE restored.channel_id = wanted.channel_id)
  AND NOT EXISTS (
    SELECT 1 FROM operation l WHERE l.channel_id = wanted.channel_id AND l.state = 'leased' AND l.lane = wanted.lane)
  AND NOT EXISTS (
    SELECT 1 FROM operation p WHERE p.channel_id = wanted.channel_id AND p.state = 'pending' AND p.lane = wanted.lane))
FROM wanted;

-- name: insert_key
INSERT INTO idempotency (key_hash, parameters_hash, operation_id) VALUES (?, ?, ?);

-- name: find_key
SELECT i.operation_id, i.parameters_hash, o.recipient, o.target, o.state, o.started, o.channel_id
FROM idempotency i JOIN operation o ON o.id = i.operation_id WHERE i.key_hash = ?;

-- name: find_keys
-- :hashes becomes as many parameters as needed: [hash, operation, parameters, recipient, target] of each that is known.
SELECT json_group_array(json_array(hex(i.key_hash), i.operation_id, hex(i.parameters_hash), o.recipient, o.target))
FROM idempotency i JOIN operation o ON o.id = i.operation_id WHERE i.key_hash IN (:hashes);

-- name: claimable
-- For a JSON array of [channel, epoch, now] an array of candidates each, in the order in which they should start; the caller takes
-- one per lane. Two index look-ups a row: a lane's own queue behind its head is passed over.
WITH wanted AS MATERIALIZED (
  SELECT key AS position, value ->> 0 AS channel_id, value ->> 1 AS epoch, value ->> 2 AS now_ms FROM json_each(?1))
SELECT json_group_array(json(coalesce((
  SELECT json_group_array(json_array(lane, id, wa_id, channel_id, session_api_id, kind, recipient, target, body, priority, reference,
    accepted_at_ms, place_ms, send_at_ms, expires_at_ms, attempts, problem_code, problem_message, successor,
    (SELECT hex(key_hash) FROM idempotency WHERE operation_id = candidate.id),
    (SELECT hex(parameters_hash) FROM idempotency WHERE operation_id = candidate.id)))
  FROM (
    SELECT o.* FROM operation o
    WHERE o.channel_id = wanted.channel_id AND o.state = 'pending' AND coalesce(o.send_at_ms, 0) <= wanted.now_ms
      AND (o.not_before_ms IS NULL OR o.not_before_ms <= wanted.now_ms)
      AND (o.expires_at_ms IS NULL OR o.expires_at_ms > wanted.now_ms)
      AND NOT EXISTS (SELECT 1 FROM operation l WHERE l.channel_id = o.channel_id AND l.state = 'leased' AND l.lane = o.lane)
      AND NOT EXISTS (
        SELECT 1 FROM operation e WHERE e.channel_id = o.channel_id AND e.state = 'pending' AND e.lane = o.lane
          AND e.priority = o.priority AND (e.place_ms, e.id) < (o.place_ms, o.id) AND coalesce(e.send_at_ms, 0) <= wanted.now_ms)
    ORDER BY o.priority, o.place_ms, o.id LIMIT ?2
  ) candidate
  WHERE EXISTS (SELECT 1 FROM epoch WHERE epoch.channel_id = wanted.channel_id AND epoch.epoch = wanted.epoch)
    AND wanted.channel_id NOT IN (SELECT channel_id FROM restored)), '[]')))
FROM wanted;

-- name: lease
UPDATE operation SET state = 'leased', epoch = l.epoch, lease_id = l.lease_id, journal_id = l.journal_id, started = 0,
  attempts = attempts + 1, changed_at_ms = l.now_ms, reason = l.reason, not_before_ms = NULL
FROM (SELECT value ->> 0 AS id, value ->> 1 AS epoch, value ->> 2 AS lease_id, value ->> 3 AS journal_id, value ->> 4 AS now_ms,
  value ->> 5 AS reason FROM json_each(?)) l
WHERE operation.id = l.id AND operation.state = 'pending';

-- name: waiting
-- For a JSON array of channels: whether something of each is pending.
SELECT json_group_array(EXISTS (SELECT 1 FROM operation WHERE channel_id = j.value AND state = 'pending')) FROM json_each(?) j;

-- name: start
UPDATE operation SET started = 1 WHERE lease_id = ? AND epoch = ? AND channel_id = ? AND state = 'leased'
  AND EXISTS (SELECT 1 FROM epoch e WHERE e.channel_id = operation.channel_id AND e.epoch = operation.epoch);

-- name: start_all
UPDATE operation SET started = 1
FROM (SELECT value ->> 0 AS lease_id, value ->> 1 AS epoch, value ->> 2 AS channel_id FROM json_each(?)) s
WHERE operation.lease_id = s.lease_id AND operation.epoch = s.epoch AND operation.channel_id = s.channel_id
  AND operation.state = 'leased'
  AND EXISTS (SELECT 1 FROM epoch e WHERE e.channel_id = operation.channel_id AND e.epoch = operation.epoch);

-- name: standing
SELECT json_group_array(json_array(o.lease_id, o.epoch, o.channel_id)) FROM json_each(?) s
CROSS JOIN operation o ON o.lease_id = s.value ->> 0 AND o.epoch = s.value ->> 1 AND o.channel_id = s.value ->> 2
  AND o.state = 'leased' AND EXISTS (SELECT 1 FROM epoch e WHERE e.channel_id = o.channel_id AND e.epoch = o.epoch);

-- name: deciding
-- For two JSON arrays, of WhatsApp ids and of numbers: what decides about a change of each operation that is there.
SELECT json_group_array(json_array(o.wa_id, o.id, o.state, o.started, o.lease_id, o.session_api_id, o.channel_id)) FROM (
  SELECT w.id FROM json_each(?) j CROSS JOIN operation w ON w.wa_id = j.value UNION SELECT value FROM json_each(?)) named
CROSS JOIN operation o ON o.id = named.id;

-- name: change_all
UPDATE operation SET state = c.state, changed_at_ms = c.at_ms, reason = c.reason, problem_code = c.problem_code,
  problem_message = c.problem_message, not_before_ms = c.not_before_ms
FROM (SELECT value ->> 0 AS id, value ->> 1 AS state, value ->> 2 AS at_ms, value ->> 3 AS reason, value ->> 4 AS problem_code,
  value ->> 5 AS problem_message, value ->> 6 AS not_before_ms FROM json_each(?)) c
WHERE operation.id = c.id;

-- name: change
UPDATE operation SET state = :to, changed_at_ms = :at_ms, reason = :reason, problem_code = :problem_code,
  problem_message = :problem_message, not_before_ms = :not_before_ms
WHERE id = :id;

-- name: fail_replaced
UPDATE operation SET state = 'failed', changed_at_ms = :at_ms, reason = :reason, problem_code = :problem_code,
  problem_message = :problem_message, successor = :successor
WHERE id = :id AND state = 'uncertain' AND (:session_api_id IS NULL OR session_api_id = :session_api_id);

-- name: adopt
UPDATE operation SET state = 'leased', epoch = :epoch, lease_id = :lease_id, journal_id = :journal_id, started = 1,
  attempts = attempts + 1, changed_at_ms = :at_ms, reason = :reason
WHERE id = :id;

-- name: take_over
UPDATE operation SET wa_id = :wa_id, epoch = :epoch, lease_id = :lease_id, journal_id = :journal_id, started = 1 WHERE id = :id;

-- name: take_epoch
INSERT INTO epoch (channel_id, epoch, journal_id) VALUES (?, ?, ?)
ON CONFLICT (channel_id) DO UPDATE SET epoch = excluded.epoch, journal_id = excluded.journal_id
WHERE excluded.epoch > epoch.epoch;

-- name: advance
-- For a JSON array of [channel, journal, sequence].
INSERT INTO journal (channel_id, journal_id, sequence)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) WHERE true
ON CONFLICT (channel_id, journal_id) DO UPDATE SET sequence = max(excluded.sequence, journal.sequence);

-- name: change_queue
UPDATE operation SET state = :to, changed_at_ms = :at_ms, reason = :reason, problem_code = :problem_code,
  problem_message = :problem_message, not_before_ms = NULL
WHERE channel_id = :channel_id AND (state = 'pending' OR (:leased_too AND state = 'leased' AND started = 0))
  AND (:session_api_id IS NULL OR session_api_id = :session_api_id) AND (:reference IS NULL OR reference = :reference)
  AND (:target IS NULL OR target = :target) AND (:before IS NULL OR id < :before)
RETURNING id;

-- name: expire_due
UPDATE operation SET state = 'expired', changed_at_ms = :now_ms, reason = :reason
WHERE state = 'pending' AND expires_at_ms IS NOT NULL AND expires_at_ms <= :now_ms
  AND channel_id NOT IN (SELECT channel_id FROM restored)
RETURNING id;

-- name: erase
UPDATE operation SET recipient = '', target = '', lane = '', body = '', reference = '', reason = '',
  problem_message = iif(problem_code IS NULL, NULL, ''), erased_at_ms = :at_ms
WHERE id IN (SELECT value FROM json_each(:ids)) AND state NOT IN ('pending', 'leased') AND erased_at_ms IS NULL;

-- name: erase_events
UPDATE event SET reason = '' WHERE operation_id IN (
  SELECT o.id FROM json_each(:ids) j CROSS JOIN operation o ON o.id = j.value WHERE o.erased_at_ms = :at_ms);

-- name: purge
DELETE FROM operation WHERE id IN (SELECT value FROM json_each(?)) AND state NOT IN ('pending', 'leased')
  AND channel_id NOT IN (SELECT channel_id FROM restored);

-- name: mark_restored
INSERT INTO restored (channel_id, journal_id, before) VALUES (?, ?, ?)
ON CONFLICT (channel_id) DO UPDATE SET journal_id = excluded.journal_id, before = excluded.before;

-- name: end_restored
DELETE FROM restored WHERE channel_id = ?;

-- name: operations_of
SELECT o.*, i.key_hash, i.parameters_hash FROM operation o LEFT JOIN idempotency i ON i.operation_id = o.id
WHERE o.id > :after AND o.target = :target ORDER BY o.id LIMIT :limit;

-- name: ages
SELECT id, state, changed_at_ms, erased_at_ms IS NOT NULL AS erased, accepted_at_ms FROM operation
WHERE id > :after ORDER BY id LIMIT :limit;

-- name: erased
SELECT wa_id FROM operation WHERE channel_id = ? AND erased_at_ms IS NOT NULL AND changed_at_ms >= ?;

-- name: put_record
INSERT INTO record (kind, id, body) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body;

-- name: put_groups
INSERT INTO channel_groups (channel_id, body, as_of_ms) VALUES (?, ?, ?)
ON CONFLICT (channel_id) DO UPDATE SET body = excluded.body, as_of_ms = excluded.as_of_ms;

-- name: operation
SELECT o.*, i.key_hash, i.parameters_hash FROM operation o LEFT JOIN idempotency i ON i.operation_id = o.id WHERE o.id = ?;

-- name: channel_of_session_api
SELECT body ->> '$.channel_id' AS channel_id FROM record WHERE kind = 'session_api' AND id = ?;

-- name: operation_by_wa_id
SELECT o.*, i.key_hash, i.parameters_hash FROM operation o LEFT JOIN idempotency i ON i.operation_id = o.id WHERE o.wa_id = ?;

-- name: leased
SELECT o.*, i.key_hash, i.parameters_hash FROM operation o LEFT JOIN idempotency i ON i.operation_id = o.id
WHERE o.channel_id = ? AND o.state = 'leased';

-- name: list
SELECT o.*, i.key_hash, i.parameters_hash FROM operation o LEFT JOIN idempotency i ON i.operation_id = o.id
WHERE (:channel_id IS NULL OR o.channel_id = :channel_id) AND (:session_api_id IS NULL OR o.session_api_id = :session_api_id)
  AND (:state IS NULL OR o.state = :state) AND (:kind IS NULL OR o.kind = :kind)
  AND (:reference IS NULL OR o.reference = :reference) AND (:recipient IS NULL OR instr(o.recipient, :recipient))
  AND (:placed_before_ms IS NULL OR o.place_ms < :placed_before_ms) AND (:before IS NULL OR o.id < :before)
ORDER BY o.id DESC LIMIT :limit;

-- name: events
SELECT id, operation_id, state, at_ms, reason FROM event WHERE operation_id = ? ORDER BY id;

-- name: events_after
SELECT e.id, e.operation_id, e.state, e.at_ms, e.reason FROM event e
WHERE e.id > :after AND (:session_api_id IS NULL
  OR EXISTS (SELECT 1 FROM operation o WHERE o.id = e.operation_id AND o.session_api_id = :session_api_id))
ORDER BY e.id LIMIT :limit;

-- name: queue_depths
SELECT channel_id, count(*), min(accepted_at_ms) FROM operation WHERE state = 'pending' GROUP BY channel_id;

-- name: queue_depth
SELECT count(*), min(accepted_at_ms) FROM operation WHERE state = 'pending' AND channel_id = ?;

-- name: uncertain_counts
SELECT channel_id, count(*) FROM operation WHERE state = 'uncertain' GROUP BY channel_id;

-- name: waiting_since
-- What waits comes in the order of its channels; what is tried again later is rare, and from an index of its own.
SELECT channel_id, min(place) FROM (
  SELECT channel_id, min(place_ms) AS place FROM operation INDEXED BY operation_waiting
  WHERE state = 'pending' AND coalesce(send_at_ms, 0) <= :now_ms
    AND id NOT IN (SELECT id FROM operation WHERE state = 'pending' AND not_before_ms > :now_ms)
  GROUP BY channel_id
  UNION ALL SELECT channel_id, min(place_ms) FROM operation WHERE state = 'leased' GROUP BY channel_id)
GROUP BY channel_id;

-- name: overdue
SELECT (SELECT count(*) FROM (SELECT 1 FROM operation WHERE state = 'pending' AND channel_id = :channel_id
    AND priority IN (1, 2, 3) AND place_ms >= :from_ms AND place_ms < :before_ms LIMIT :limit)),
  (SELECT coalesce(min(place_ms), 0) FROM operation WHERE state = 'pending' AND channel_id = :channel_id
    AND priority IN (1, 2, 3) AND place_ms >= :from_ms AND place_ms < :before_ms);

-- name: event_from
SELECT id, at_ms FROM event WHERE id >= ? ORDER BY id LIMIT 1;

-- name: passed
SELECT (at_ms - :since_ms) / :step_ms AS step, from_state, state, count(*) AS count FROM event
WHERE id >= :first AND at_ms >= :since_ms GROUP BY step, from_state, state;

-- name: counts
SELECT (SELECT count(*) FROM operation WHERE state = 'pending'), (SELECT count(*) FROM operation WHERE state = 'leased'),
  (SELECT count(*) FROM operation WHERE state = 'uncertain');

-- name: next_wake
-- Three partial indexes: what goes at once is in none of them.
SELECT min(at) FROM (
  SELECT min(send_at_ms) AS at FROM operation WHERE state = 'pending' AND send_at_ms > :now_ms
  UNION ALL SELECT min(not_before_ms) FROM operation WHERE state = 'pending' AND not_before_ms > :now_ms
  UNION ALL SELECT min(expires_at_ms) FROM operation WHERE state = 'pending' AND expires_at_ms IS NOT NULL
    AND channel_id NOT IN (SELECT channel_id FROM restored));

-- name: latest_place
-- Each half from a partial index; a condition on both states would read every row.
SELECT coalesce(max(place), 0) FROM (
  SELECT max(place_ms) AS place FROM operation WHERE state = 'pending' AND place_ms IS NOT send_at_ms
  UNION ALL SELECT max(place_ms) FROM operation WHERE state = 'leased' AND place_ms IS NOT send_at_ms);

-- name: latest_place_of_earlier
-- Of what was accepted before that time and still waits in the lane; what is held until a time of its own has no place yet.
SELECT coalesce(max(place_ms), 0) AS place FROM operation
WHERE channel_id = :channel_id AND lane = :lane AND state = 'pending' AND accepted_at_ms <= :accepted_at_ms
  AND place_ms IS NOT send_at_ms;
