-- What is accepted straight into a lease has both events all the same. 'Accepted' is every new operation's first reason; its row
-- says why it was leased.
DROP TRIGGER operation_accepted;
CREATE TRIGGER operation_accepted AFTER INSERT ON operation WHEN new.state <> 'leased' BEGIN
  INSERT INTO event (operation_id, from_state, state, at_ms, reason)
  VALUES (new.id, '', new.state, new.changed_at_ms, new.reason);
END;
CREATE TRIGGER operation_handed AFTER INSERT ON operation WHEN new.state = 'leased' BEGIN
  INSERT INTO event (operation_id, from_state, state, at_ms, reason)
  VALUES (new.id, '', 'pending', new.changed_at_ms, 'Accepted'), (new.id, 'pending', 'leased', new.changed_at_ms, new.reason);
END;
