-- The server and its timeline that were last written to: with another one, the last moments of the one before may be missing.
ALTER TABLE hub ADD COLUMN server text NOT NULL DEFAULT '';
