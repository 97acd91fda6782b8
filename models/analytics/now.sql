-- What is open in an account at this moment, by priority. Those that are waited for count from their handoff or escalation.
SELECT priority,
    count(*) FILTER (WHERE status IN ('pending', 'ready')) AS waiting,
    min(coalesce(escalated_at, created_at)) FILTER (WHERE status IN ('pending', 'ready')) AS waiting_since,
    count(*) FILTER (WHERE status = 'claimed') AS claimed,
    count(*) FILTER (WHERE status = 'claimed' AND first_action_at IS NULL) AS without_action
FROM handoffs
WHERE account_id = :account AND status IN ('pending', 'ready', 'claimed')
GROUP BY priority
