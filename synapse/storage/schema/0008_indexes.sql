-- Serves a user's sync: which of their memberships changed. Whoever is in 10,000 rooms would else
-- have 10,000 rows read each time that their account data changes.
CREATE INDEX members_by_user ON members (user_nid, event_nid);

-- Closed accounts that have not left all of their rooms yet.
CREATE TABLE unfinished_deactivations (
    user_nid BIGINT PRIMARY KEY
);
INSERT INTO unfinished_deactivations (user_nid)
SELECT DISTINCT u.user_nid FROM users u JOIN members m ON m.user_nid = u.user_nid
WHERE u.deactivated = 1 AND m.membership IN (1, 2, 3);
