-- The resolved handoffs of other sessions that share most words with a case, each with its vector of a model, and the least score that
-- the account shows with that model. The vectors are looked up one by one, since a join might read all of the account.
SELECT near.id, near.score, known.vector, (
    SELECT least FROM past_case_thresholds WHERE account_id = :account AND model = :model
) AS least
FROM similar_handoffs(:words, :besides, :most, :least, :compared) AS near LEFT JOIN LATERAL (
    SELECT vector FROM past_case_vectors
    WHERE account_id = :account AND handoff_id = near.id AND model = :model OFFSET 0
) AS known ON true
WHERE NOT EXISTS (
    SELECT FROM handoffs AS past JOIN handoffs AS own ON own.account_id = :account AND own.id = :besides
    WHERE past.account_id = :account AND past.id = near.id AND past.session_id = own.session_id)
ORDER BY near.score DESC, near.id DESC
