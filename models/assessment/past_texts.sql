-- The texts of these handoffs as past cases.
SELECT wanted.id, past.title, past.problem, past.resolution, past.root_cause, past.resolved_at
FROM unnest(CAST(:ids AS uuid[])) AS wanted (id) CROSS JOIN LATERAL (
    SELECT s.title, s.problem, h.resolution, h.root_cause, h.resolved_at
    FROM handoffs AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
    WHERE h.account_id = :account AND h.id = wanted.id OFFSET 0
) AS past
