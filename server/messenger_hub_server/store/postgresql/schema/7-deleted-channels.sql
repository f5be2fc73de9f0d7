-- A channel that was deleted accepts nothing any more, also at a node that has not heard of it yet: whatever accepts on it has this row.
ALTER TABLE place ADD COLUMN deleted boolean NOT NULL DEFAULT false;
