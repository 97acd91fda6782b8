-- The metrics of a period (see escalations.sql) for each value of one attribute, the most frequent first.
WITH begun AS (
    SELECT *, created_at AS began FROM handoffs
    WHERE account_id = :account AND created_at >= :since AND created_at < :until
      AND escalated_at IS NULL AND status <> 'parked'
    UNION ALL
    SELECT *, escalated_at FROM handoffs
    WHERE account_id = :account AND escalated_at >= :since AND escalated_at < :until
), waits AS (
    SELECT CASE :by
            WHEN 'priority' THEN h.priority
            WHEN 'claimer' THEN h.claimed_by_id::text
            WHEN 'author' THEN h.handed_off_by_id::text
            ELSE s.client END AS value,
        greatest(date_part('epoch', h.ready_at - h.began), 0) AS time_to_ready,
        greatest(date_part('epoch', h.claimed_at - h.began), 0) AS time_to_claim,
        greatest(date_part('epoch', h.first_action_at - h.claimed_at), 0) AS time_to_first_action,
        h.ready_at IS NOT NULL AND i IS NULL AS ready, h.claimed_at IS NOT NULL AND i IS NULL AS claimed,
        h.claimed_at IS NOT NULL AND h.first_action_at IS NOT NULL AND i IS NULL AS acted
    FROM begun AS h
    JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
    LEFT JOIN (SELECT handoff_id AS i FROM imported_handoffs WHERE account_id = :account) AS imported
        ON i = h.id
), measured AS (
    SELECT value, count(*) AS n_handoffs,
        count(*) FILTER (WHERE ready) AS n_ready,
        count(*) FILTER (WHERE claimed) AS n_claimed,
        count(*) FILTER (WHERE acted) AS n_with_action,
        avg(time_to_ready) FILTER (WHERE ready) AS time_to_ready_avg,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY time_to_ready) FILTER (WHERE ready) AS time_to_ready,
        avg(time_to_claim) FILTER (WHERE claimed) AS time_to_claim_avg,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY time_to_claim) FILTER (WHERE claimed)
            AS time_to_claim,
        avg(time_to_first_action) FILTER (WHERE acted) AS time_to_first_action_avg,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY time_to_first_action) FILTER (WHERE acted)
            AS time_to_first_action
    FROM waits GROUP BY value ORDER BY n_handoffs DESC, value LIMIT :limit
)
SELECT measured.*, coalesce(u.name, measured.value) AS name
FROM measured LEFT JOIN users AS u ON u.account_id = :account AND :by IN ('claimer', 'author')
    AND u.id::text = measured.value
ORDER BY n_handoffs DESC, value
