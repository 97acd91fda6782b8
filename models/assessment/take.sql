-- Lease one assessment and count an attempt, if it is due (or a late start was asked for) or its lease has expired.
UPDATE assessments SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
    lease_until = now() + :lease * interval '1 s'
WHERE account_id = :account AND id = :assessment
    AND (state = 'queued' AND (not_before <= now() OR :late) OR state = 'running' AND lease_until < now())
RETURNING account_id, id, handoff_id, generation, lane, attempts, attempt_log,
    extract(epoch FROM deadline_at - now())::float8 AS seconds_left
