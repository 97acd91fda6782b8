-- Lease the assessment of a lane that is next: of the account with the fewest running, the one queued first.
--
-- An assessment that was in two processes when they died is a suspect. Suspects run one at a time in their lane, so that
-- of all that died together only the culprit dies a third time. A row locked by somebody else is being taken, so the
-- next one is due; the suspect that may run is the same for all who ask at once, so only one of them gets it.
WITH busy AS (
    SELECT account_id, count(*) AS running,
        bool_or(attempts - 1 - jsonb_array_length(attempt_log) >= :crashes) AS with_suspect
    FROM assessments
    WHERE state = 'running' AND lease_until > now() AND lane = :lane GROUP BY account_id
), suspect AS (
    SELECT id FROM assessments
    WHERE state = 'queued' AND not_before <= now() AND lane = :lane
        AND attempts >= :crashes AND attempts - jsonb_array_length(attempt_log) >= :crashes
        AND NOT EXISTS (SELECT FROM busy WHERE with_suspect)
    ORDER BY queued_at, id LIMIT 1
), next AS (
    SELECT waiting.account_id AS its_account, waiting.id AS its_id
    FROM assessments AS waiting LEFT JOIN busy USING (account_id)
    WHERE waiting.state = 'queued' AND waiting.not_before <= now() AND waiting.lane = :lane
        AND (waiting.attempts < :crashes
            OR waiting.attempts - jsonb_array_length(waiting.attempt_log) < :crashes
            OR waiting.id = (SELECT id FROM suspect))
    ORDER BY coalesce(busy.running, 0), waiting.queued_at LIMIT 1
    FOR NO KEY UPDATE OF waiting SKIP LOCKED
)
UPDATE assessments SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
    lease_until = now() + :lease * interval '1 s'
FROM next WHERE account_id = its_account AND id = its_id
RETURNING account_id, id, handoff_id, generation, lane, attempts, attempt_log,
    extract(epoch FROM deadline_at - now())::float8 AS seconds_left, EXISTS (
        SELECT FROM assessments AS other
        WHERE other.state = 'queued' AND other.not_before <= now() AND other.lane = :lane AND other.id <> its_id
    ) AS more
