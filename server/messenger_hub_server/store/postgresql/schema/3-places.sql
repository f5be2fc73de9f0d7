-- The last place that was given on each channel, and the one before the transaction that gave it, which began after that one. Whatever
-- accepts locks its channels' rows here, in the order of channels and before all else, and holds them to its end. So of two requests on one
-- channel the later one stands behind the earlier one, whichever nodes they came to and however far apart their clocks are.
CREATE TABLE place (channel_id bigint PRIMARY KEY, last_ms bigint NOT NULL, before_ms bigint NOT NULL) WITH (fillfactor = 50);

INSERT INTO place (channel_id, last_ms, before_ms)
SELECT channel_id, max(place_ms), 0 FROM operation
WHERE state IN ('pending', 'leased') AND place_ms IS DISTINCT FROM send_at_ms GROUP BY channel_id;
