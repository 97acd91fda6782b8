-- The resolved handoffs that are most similar to the given words, as case.sql finds them.
SELECT near.id, past.title, past.problem, past.resolution, past.root_cause, near.score, past.resolved_at
FROM similar_handoffs(:words, :besides, :most, :least) AS near CROSS JOIN LATERAL (
    SELECT s.title, s.problem, h.resolution, h.root_cause, h.resolved_at
    FROM handoffs AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
    WHERE h.account_id = :account AND h.id = near.id OFFSET 0
) AS past ORDER BY near.score DESC, near.id DESC
