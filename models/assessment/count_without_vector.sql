-- How many past cases have no vector of a model, in one account or in all.
SELECT count(*) FROM past_cases AS every
WHERE (CAST(:account AS uuid) IS NULL OR every.account_id = :account) AND NOT EXISTS (
    SELECT FROM past_case_vectors AS known
    WHERE known.account_id = every.account_id AND known.handoff_id = every.handoff_id AND known.model = :model)
