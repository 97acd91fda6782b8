-- Each feed, or the one of `account`, with its bounds, its events and the handoffs that do not show their last event.
-- A single statement, so that one moment is examined while others write.
SELECT f.account_id, a.name, f.head, f.floor, control.epoch,
    count(e.seq) AS events, min(e.seq) AS lowest, max(e.seq) AS highest, (
        SELECT count(*) FROM handoffs AS h WHERE h.account_id = f.account_id AND (
            h.seq > f.head OR h.seq <> (h.card ->> 'seq')::bigint OR h.seq < (
                SELECT max(own.seq) FROM feed_events AS own
                WHERE own.account_id = h.account_id AND own.handoff_id = h.id))
    ) AS stale
FROM feeds AS f JOIN accounts AS a ON a.id = f.account_id CROSS JOIN feed_control AS control
LEFT JOIN feed_events AS e ON e.account_id = f.account_id
WHERE f.account_id = coalesce(CAST(:account AS uuid), f.account_id)
GROUP BY f.account_id, a.name, f.head, f.floor, control.epoch ORDER BY a.name, f.account_id
