-- The last number that was given of each kind: of operations, and of what the registry holds. Counted here, because several nodes give them.
CREATE TABLE number (kind text PRIMARY KEY, last bigint NOT NULL) WITH (fillfactor = 50);

-- Whether several nodes have ever been at work at once: from then on no node's file can say which journal has seen everything.
ALTER TABLE hub ADD COLUMN shared boolean NOT NULL DEFAULT false;
