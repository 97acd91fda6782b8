-- Past cases without a vector of a model, with the start of their texts; of one account, or of all.
SELECT past.account_id, past.handoff_id, s.title, left(s.problem, :longest) AS problem FROM (
    SELECT account_id, handoff_id, session_id FROM past_cases AS every
    WHERE (CAST(:account AS uuid) IS NULL OR every.account_id = :account) AND NOT EXISTS (
        SELECT FROM past_case_vectors AS known
        WHERE known.account_id = every.account_id AND known.handoff_id = every.handoff_id AND known.model = :model)
    LIMIT :most
) AS past JOIN sessions AS s ON s.account_id = past.account_id AND s.id = past.session_id
