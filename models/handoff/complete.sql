-- Write the result of a leased assessment, and what it changes in its handoff; the type of the event, or 'none', goes to
-- app.event, and '' if the lease was lost. Nothing else is written then.
--
-- The fence is the attempt: the row as long as no later attempt has begun and it has not ended. A lease that ran out
-- still owns a row that nobody has taken since. The handoff is locked before its assessment, as by every move, so that
-- none waits for the other. What an attempt does not say stays as it was, and the costs of all attempts add up.
--
-- The first generation makes the handoff ready. A later one is an event if it changed something or if a person asked for
-- it; one without good content leaves the last good one shown.
WITH before AS (
    SELECT h.ready_at IS NULL AS unready, shown.state, shown.content, shown.source
    FROM handoffs AS h LEFT JOIN assessments AS shown ON shown.account_id = h.account_id
        AND shown.handoff_id = h.id AND shown.generation = h.shown_generation
    WHERE h.account_id = :account AND h.id = :handoff FOR NO KEY UPDATE OF h
), ended AS (
    UPDATE assessments SET state = CAST(:state AS text), finished_at = clock_timestamp(), lease_until = NULL,
        error_kind = CAST(:error AS text),
        content = coalesce(CAST(:content AS jsonb), content),
        source = coalesce(:source, source),
        prompt_version = coalesce(:prompt_version, prompt_version),
        dropped_evidence = coalesce(:dropped_evidence, dropped_evidence),
        input_hash = coalesce(:input_hash, input_hash),
        steps_seen = coalesce(:steps_seen, steps_seen),
        sent = coalesce(:sent, sent),
        provider_calls = provider_calls + :provider_calls,
        tokens_in = tokens_in + :tokens_in,
        tokens_out = tokens_out + :tokens_out,
        cost = cost + :cost,
        attempt_log = attempt_log || jsonb_build_array(jsonb_build_object(
            'attempt', attempts, 'at', clock_timestamp(), 'result', CAST(:state AS text), 'error', CAST(:error AS text)))
    WHERE account_id = :account AND id = :assessment AND attempts = :attempt AND state IN ('queued', 'running')
        AND EXISTS (SELECT FROM before)
    RETURNING state, lane, generation, content, source
), outcome AS (
    SELECT before.unready,
        before.unready OR ended.lane = 'interactive' OR (before.state, before.content, before.source)
            IS DISTINCT FROM (ended.state, ended.content, ended.source) AS is_event,
        CASE WHEN ended.state = 'succeeded'
                OR (ended.state = 'fallback' AND before.state IS DISTINCT FROM 'succeeded')
            THEN ended.generation END AS shown
    FROM before, ended
), changed AS (
    UPDATE handoffs SET shown_generation = coalesce(outcome.shown, shown_generation),
        status = CASE WHEN ready_at IS NULL AND status = 'pending' THEN 'ready' ELSE status END,
        ready_at = coalesce(ready_at, now()), version = version + outcome.is_event::int
    FROM outcome WHERE account_id = :account AND id = :handoff
    RETURNING CASE WHEN outcome.unready THEN 'handoff.ready' WHEN outcome.is_event THEN 'handoff.reassessed'
        ELSE 'none' END AS event
)
SELECT set_config('app.event', coalesce((SELECT event FROM changed), ''), true)
