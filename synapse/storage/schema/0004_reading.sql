-- Serves finding the event nearest to a time, in both directions.
CREATE INDEX events_by_time ON events (room_nid, origin_server_ts, pos) WHERE pos IS NOT NULL;
