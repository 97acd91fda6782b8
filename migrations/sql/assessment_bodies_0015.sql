-- What revision 0015 wrote; assessment_bodies.sql is the view as it is now.
CREATE OR REPLACE VIEW assessment_bodies WITH (security_invoker) AS
SELECT account_id, handoff_id, generation, state, content, source, steps_seen, jsonb_build_object(
    'summary', content -> 'summary',
    'what_we_know', coalesce(content -> 'what_we_know', '[]'),
    'do_not_repeat', coalesce(content -> 'do_not_repeat', '[]'),
    'likely_cause', content -> 'likely_cause',
    'suggested_steps', coalesce(content -> 'suggested_steps', '[]'),
    'confidence', content -> 'confidence',
    'similar', coalesce(content -> 'similar', '[]'),
    'questions', coalesce(content -> 'questions', '[]'),
    'generation', generation, 'state', state, 'source', source,
    'prompt_version', prompt_version, 'input_hash', input_hash, 'steps_seen', steps_seen,
    'queued_at', rfc3339(queued_at), 'started_at', rfc3339(started_at), 'finished_at', rfc3339(finished_at),
    'attempts', attempts, 'provider_calls', provider_calls, 'dropped_evidence', dropped_evidence,
    'tokens_in', tokens_in, 'tokens_out', tokens_out, 'cost', cost::float8, 'error_kind', error_kind
) AS body
FROM assessments;
