-- Since which position a thread is subscribed to without a break: later messages notify.
ALTER TABLE thread_subscriptions ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
UPDATE thread_subscriptions SET since = stream;

-- About older tables: the mark of a redacted event has thread_id "" and listener 0. It takes back what
-- the room's numbers count too many, and the event's other marks count no more. The marks of a rule
-- set that asks for thread subscriptions stand under two listeners, one for who isn't subscribed and
-- one for who is; those of one user are, in threads, all that the event counts. And in
-- `past_listeners`, `quiet` are flags (synapse.storage.stores.unread_counting.Listener).
