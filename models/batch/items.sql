-- A page of the items of a batch: the assessment that it wrote and the last good one before it. `differs` names the fields
-- that are not the same; it is null where there are not two to compare.
SELECT item.position, item.handoff_id, s.external_id, s.title, item.state, item.reason,
    earlier.body AS before, later.body AS after, compared.differs
FROM batch_items AS item
JOIN handoffs AS h ON h.account_id = item.account_id AND h.id = item.handoff_id
JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
LEFT JOIN assessments AS written ON written.account_id = item.account_id AND written.id = item.assessment_id
LEFT JOIN assessment_bodies AS later ON later.account_id = item.account_id AND later.handoff_id = item.handoff_id
    AND later.generation = written.generation AND later.content IS NOT NULL
LEFT JOIN LATERAL (
    SELECT body, content FROM assessment_bodies
    WHERE account_id = item.account_id AND handoff_id = item.handoff_id AND generation < later.generation
        AND state IN ('succeeded', 'fallback')
    ORDER BY generation DESC LIMIT 1
) AS earlier ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN earlier.content IS NOT NULL THEN ARRAY(
        SELECT field FROM unnest(ARRAY['state', 'summary', 'what_we_know', 'do_not_repeat', 'likely_cause',
            'suggested_steps', 'confidence', 'similar', 'questions']) AS field
        WHERE earlier.content -> field IS DISTINCT FROM later.content -> field
    ) END AS differs
) AS compared
WHERE item.account_id = :account AND item.batch_id = :batch AND item.position > :after
    AND (CAST(:state AS text) IS NULL OR item.state = :state)
    AND (NOT CAST(:changed AS boolean) OR cardinality(compared.differs) > 0)
ORDER BY item.position
LIMIT :limit
