-- The transitions that delivery/states.py allows; the migration copies them here. '' stands for "not accepted yet".
CREATE TABLE transition (from_state TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (from_state, state)) STRICT, WITHOUT ROWID;

-- One accepted request. Ids and times come from the caller. lane: what must stay in order, a chat or a contact.
CREATE TABLE operation (
  id INTEGER PRIMARY KEY,
  wa_id TEXT NOT NULL,
  channel_id INTEGER NOT NULL,
  session_api_id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  recipient TEXT NOT NULL,
  target TEXT NOT NULL,
  lane TEXT NOT NULL,
  body TEXT NOT NULL,
  priority INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  reference TEXT NOT NULL,
  accepted_at_ms INTEGER NOT NULL,
  due_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER,
  not_before_ms INTEGER,
  changed_at_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  epoch INTEGER,
  lease_id TEXT,
  journal_id TEXT,
  started INTEGER NOT NULL DEFAULT 0,
  problem_code TEXT,
  problem_message TEXT,
  successor INTEGER,
  erased_at_ms INTEGER
) STRICT;

CREATE UNIQUE INDEX operation_wa_id ON operation (wa_id);
-- Partial indexes hold live rows only, so that settled ones cost nothing.
CREATE INDEX operation_waiting ON operation (channel_id, priority, due_at_ms, id) WHERE state = 'pending';
CREATE INDEX operation_lane ON operation (channel_id, lane, priority, due_at_ms, id) WHERE state = 'pending';
CREATE INDEX operation_leased ON operation (channel_id, lane) WHERE state = 'leased';
CREATE INDEX operation_lease ON operation (lease_id) WHERE state = 'leased';
CREATE INDEX operation_uncertain ON operation (channel_id) WHERE state = 'uncertain';
CREATE INDEX operation_expiring ON operation (expires_at_ms) WHERE state = 'pending' AND expires_at_ms IS NOT NULL;
CREATE INDEX operation_held ON operation (due_at_ms) WHERE state = 'pending' AND due_at_ms > accepted_at_ms;
CREATE INDEX operation_retried ON operation (not_before_ms) WHERE state = 'pending' AND not_before_ms IS NOT NULL;
CREATE INDEX operation_erased ON operation (channel_id, changed_at_ms) WHERE erased_at_ms IS NOT NULL;
CREATE INDEX operation_session_api ON operation (session_api_id, id);
CREATE INDEX operation_reference ON operation (session_api_id, reference) WHERE reference <> '';

-- One row per transition, written by the triggers below in the same transaction. Its foreign key is what refuses a transition that
-- the table does not have, whatever statement asked for it.
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  operation_id INTEGER NOT NULL REFERENCES operation (id) ON DELETE CASCADE,
  from_state TEXT NOT NULL,
  state TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  FOREIGN KEY (from_state, state) REFERENCES transition (from_state, state)
) STRICT;
CREATE INDEX event_operation ON event (operation_id);

CREATE TRIGGER operation_accepted AFTER INSERT ON operation BEGIN
  INSERT INTO event (operation_id, from_state, state, at_ms, reason)
  VALUES (new.id, '', new.state, new.changed_at_ms, new.reason);
END;
CREATE TRIGGER operation_changed AFTER UPDATE OF state ON operation WHEN old.state <> new.state BEGIN
  INSERT INTO event (operation_id, from_state, state, at_ms, reason)
  VALUES (new.id, old.state, new.state, new.changed_at_ms, new.reason);
END;

-- Only for requests that came with a key.
CREATE TABLE idempotency (
  key_hash BLOB PRIMARY KEY,
  parameters_hash BLOB NOT NULL,
  operation_id INTEGER NOT NULL REFERENCES operation (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_operation ON idempotency (operation_id);

-- Per channel the highest epoch and its journal; per journal the highest entry that is stored.
CREATE TABLE epoch (channel_id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, journal_id TEXT NOT NULL) STRICT;
CREATE TABLE journal (
  channel_id INTEGER NOT NULL, journal_id TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (channel_id, journal_id)
) STRICT, WITHOUT ROWID;

-- Channels whose rows are older than what has happened, until a hello has told the rest.
CREATE TABLE restored (channel_id INTEGER PRIMARY KEY, journal_id TEXT NOT NULL, before INTEGER NOT NULL) STRICT;

-- What operators configure: small, read whole at start, kept as JSON of the model's records.
CREATE TABLE record (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID;
CREATE TABLE channel_groups (channel_id INTEGER PRIMARY KEY, body TEXT NOT NULL, as_of_ms INTEGER NOT NULL) STRICT;
