-- Queue assessments again whose leases have expired, at random times. Of those that died together one may be the one
-- that kills, so they part: the innocent get through while it is alone. At most a quarter of a lease after the first
-- crash, since most often a worker was only killed or replaced; up to two leases more with every further one.
WITH dead AS (
    SELECT account_id, id,
        now() + make_interval(
            secs => random() * :lease * (0.25 + 2 * (attempts - jsonb_array_length(attempt_log) - 1))) AS due_at
    FROM assessments WHERE state = 'running' AND lease_until < now()
    ORDER BY lease_until LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE assessments SET state = 'queued', lease_until = NULL, not_before = dead.due_at
FROM dead WHERE assessments.account_id = dead.account_id AND assessments.id = dead.id
RETURNING assessments.id
