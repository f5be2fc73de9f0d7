-- What several nodes on one database need of each other. What is UNLOGGED is of the moment: after a crash it is empty, and every node says
-- again that it is there.

-- A node is there as long as its connection holds the advisory lock of its number (see notices.py).
CREATE UNLOGGED TABLE node (number integer PRIMARY KEY, name text NOT NULL, since_ms bigint NOT NULL);

-- Notices that are too long for NOTIFY, for the minute in which they are read.
CREATE UNLOGGED TABLE notice (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  body bytea NOT NULL,
  told_at timestamptz NOT NULL DEFAULT now()
);

-- Grows with each transaction that changes a record: a node whose memory is of another version reads the records anew.
CREATE TABLE registry_version (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL);
INSERT INTO registry_version (version) VALUES (1);

-- The console's password, sign-ins and links, as identity/signins.py writes them.
CREATE TABLE console (one boolean PRIMARY KEY DEFAULT true CHECK (one), body bytea NOT NULL);
