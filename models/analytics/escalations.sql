-- The handoffs whose wait began in a period and their times in seconds: in total, by state of the assessment, by day.
--
-- The first part reads one index and nothing else; those that were parked first are few and have an index of their own.
-- No assessment is queued before its handoff begins to wait, so the assessments are bounded by the period too.
WITH begun AS (
    SELECT id, generation, created_at AS began, ready_at, claimed_at, first_action_at FROM handoffs
    WHERE account_id = :account AND created_at >= :since AND created_at < :until
      AND escalated_at IS NULL AND status NOT IN ('parked', 'discarded')
    UNION ALL
    SELECT id, generation, escalated_at, ready_at, claimed_at, first_action_at FROM handoffs
    WHERE account_id = :account AND escalated_at >= :since AND escalated_at < :until
), waits AS (
    SELECT coalesce(a.state, 'none') COLLATE "C" AS state, (began AT TIME ZONE 'UTC')::date AS day,
        greatest(date_part('epoch', ready_at - began), 0) AS time_to_ready,
        greatest(date_part('epoch', claimed_at - began), 0) AS time_to_claim,
        greatest(date_part('epoch', first_action_at - claimed_at), 0) AS time_to_first_action,
        ready_at IS NOT NULL AND i IS NULL AS ready, claimed_at IS NOT NULL AND i IS NULL AS claimed,
        claimed_at IS NOT NULL AND first_action_at IS NOT NULL AND i IS NULL AS acted
    FROM begun LEFT JOIN assessments AS a
        ON a.account_id = :account AND a.handoff_id = begun.id AND a.generation = begun.generation
        AND a.queued_at >= :since
    LEFT JOIN (SELECT handoff_id AS i FROM imported_handoffs WHERE account_id = :account) AS imported
        ON i = begun.id
)
SELECT state, day, grouping(state, day) AS level, count(*) AS n_handoffs,
    count(*) FILTER (WHERE ready) AS n_ready,
    count(*) FILTER (WHERE claimed) AS n_claimed,
    count(*) FILTER (WHERE acted) AS n_with_action,
    avg(time_to_ready) FILTER (WHERE ready) AS time_to_ready_avg,
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY time_to_ready) FILTER (WHERE ready)
        AS time_to_ready,
    avg(time_to_claim) FILTER (WHERE claimed) AS time_to_claim_avg,
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY time_to_claim) FILTER (WHERE claimed)
        AS time_to_claim,
    avg(time_to_first_action) FILTER (WHERE acted) AS time_to_first_action_avg,
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY time_to_first_action) FILTER (WHERE acted)
        AS time_to_first_action
FROM waits GROUP BY GROUPING SETS ((), (state), (day)) ORDER BY level DESC, state, day
