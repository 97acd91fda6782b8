-- Queue a leased assessment again, for a later try; no row if the lease was lost (the fence is that of complete.sql).
UPDATE assessments SET state = 'queued', not_before = now() + :delay * interval '1 s', lease_until = NULL,
    provider_calls = provider_calls + :provider_calls,
    tokens_in = tokens_in + :tokens_in,
    tokens_out = tokens_out + :tokens_out,
    cost = cost + :cost,
    sent = coalesce(:sent, sent),
    attempt_log = attempt_log || jsonb_build_array(jsonb_build_object('attempt', attempts, 'at', clock_timestamp(),
        'result', CAST(:result AS text), 'error', CAST(:error AS text)))
WHERE account_id = :account AND id = :assessment AND attempts = :attempt AND state IN ('queued', 'running')
RETURNING id
