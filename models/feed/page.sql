-- The state of a feed and its events after a number, oldest first; one row without an event if there is none.
SELECT control.epoch, f.head, f.floor, control.pace,
    extract(epoch FROM clock_timestamp() - f.changed_at)::float8 AS quiet_seconds, page.seq, page.body
FROM feeds AS f CROSS JOIN feed_control AS control LEFT JOIN LATERAL (
    SELECT e.seq, '{"seq":' || e.seq || ',"type":"' || e.type || '","at":"' || rfc3339(e.created_at)
        || '","handoff":' || e.card::text || '}' AS body
    FROM feed_events AS e
    WHERE e.account_id = f.account_id AND e.seq > :after
    ORDER BY e.seq LIMIT :limit
) AS page ON true
WHERE f.account_id = :account ORDER BY page.seq
