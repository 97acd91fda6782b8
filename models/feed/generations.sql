-- Every generation of a handoff's assessment, oldest first.
SELECT shown.body || jsonb_build_object(
    'steps_newer', CASE WHEN shown.steps_seen IS NOT NULL THEN greatest(0, s.steps_count - shown.steps_seen) END,
    'retracted_evidence', (SELECT coalesce(jsonb_agg('step:' || r.seq ORDER BY r.seq), '[]')
        FROM session_steps AS r
        WHERE r.account_id = h.account_id AND r.session_id = h.session_id AND r.retracted_at IS NOT NULL
            AND jsonb_path_exists(shown.content, '$.**.evidence[*] ? (@ == $id)',
                jsonb_build_object('id', 'step:' || r.seq)))) AS body
FROM assessment_bodies AS shown
JOIN handoffs AS h ON h.account_id = shown.account_id AND h.id = shown.handoff_id
JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
WHERE shown.account_id = :account AND shown.handoff_id = :handoff
ORDER BY shown.generation
