-- Each handoff as its readers see it: `card` for the feed, the queue and lists, `whole` in full. Both have the same
-- keys. A card carries less text: the start of the problem, and of the assessment what helps to decide whether to open it.
--
-- OFFSET 0 keeps the lookups of people and state from being made once for each form. They are subqueries so that each
-- is a lookup by key, whatever the planner's statistics say.
CREATE OR REPLACE VIEW handoff_cards WITH (security_invoker) AS
SELECT h.account_id, h.id, h.version, h.seq,
    shared.keys || jsonb_build_object(
        'session', shared.ticket || jsonb_build_object('problem',
            CASE WHEN length(s.problem) <= 500 THEN s.problem ELSE left(s.problem, 499) || '…' END),
        'assessment', CASE WHEN shown.generation IS NOT NULL THEN jsonb_build_object(
            'summary', shown.content -> 'summary',
            'likely_cause', CASE WHEN jsonb_typeof(shown.content -> 'likely_cause') = 'object'
                THEN jsonb_build_object('text', shown.content #> '{likely_cause,text}') END,
            'confidence', shown.content -> 'confidence',
            'source', shown.source) END
    ) AS card,
    shared.keys || jsonb_build_object(
        'session', shared.ticket || jsonb_build_object('problem', s.problem),
        'assessment', shown.body || jsonb_build_object('steps_newer',
            CASE WHEN shown.steps_seen IS NOT NULL THEN greatest(0, s.steps_count - shown.steps_seen) END)
    ) AS whole
FROM handoffs AS h
JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
LEFT JOIN assessment_bodies AS shown ON shown.account_id = h.account_id AND shown.handoff_id = h.id
    AND shown.generation = h.shown_generation
CROSS JOIN LATERAL (
    SELECT jsonb_build_object(
        'id', h.id, 'intent', h.intent, 'status', h.status, 'version', h.version, 'priority', h.priority,
        'reason', h.reason, 'ask', h.ask,
        'handed_off_by', (SELECT jsonb_build_object('id', id, 'name', name) FROM users
            WHERE account_id = h.account_id AND id = h.handed_off_by_id),
        'target', (SELECT jsonb_build_object('id', id, 'name', name) FROM users
            WHERE account_id = h.account_id AND id = h.target_id),
        'claimed_by', (SELECT jsonb_build_object('id', id, 'name', name) FROM users
            WHERE account_id = h.account_id AND id = h.claimed_by_id),
        'created_at', rfc3339(h.created_at), 'ready_at', rfc3339(h.ready_at), 'claimed_at', rfc3339(h.claimed_at),
        'first_action_at', rfc3339(h.first_action_at), 'resolved_at', rfc3339(h.resolved_at),
        'lease_until', CASE WHEN h.status = 'claimed' THEN rfc3339(h.lease_until) END,
        'snoozed_until', rfc3339(h.snoozed_until), 'snooze_reason', h.snooze_reason,
        'resolution', h.resolution, 'seq', h.seq, 'returns', h.returns, 'overdue', h.overdue,
        'assessment_state', (SELECT state FROM assessments
            WHERE account_id = h.account_id AND handoff_id = h.id AND generation = h.generation)
    ) AS keys, jsonb_build_object(
        'external_id', s.external_id, 'title', s.title, 'category', s.category, 'client', s.client,
        'asset', s.asset, 'steps_count', s.steps_count
    ) AS ticket OFFSET 0
) AS shared;
