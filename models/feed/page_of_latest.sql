-- As page.sql, with only the latest event of each handoff: one that no later event of its handoff follows.
SELECT control.epoch, f.head, f.floor, control.pace,
    extract(epoch FROM clock_timestamp() - f.changed_at)::float8 AS quiet_seconds, page.seq, page.body
FROM feeds AS f CROSS JOIN feed_control AS control LEFT JOIN LATERAL (
    SELECT e.seq, '{"seq":' || e.seq || ',"type":"' || e.type || '","at":"' || rfc3339(e.created_at)
        || '","handoff":' || e.card::text || '}' AS body
    FROM feed_events AS e
    WHERE e.account_id = f.account_id AND e.seq > :after AND NOT EXISTS (
        SELECT FROM feed_events AS later
        WHERE later.account_id = e.account_id AND later.handoff_id = e.handoff_id AND later.seq > e.seq)
    ORDER BY e.seq LIMIT :limit
) AS page ON true
WHERE f.account_id = :account ORDER BY page.seq
