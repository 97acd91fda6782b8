-- The questions to a person that wait for an answer, oldest first: those of sessions with an open handoff, of which an
-- account has few.
SELECT h.id AS handoff_id, s.external_id, s.title, q.seq, q.text, q.added_by_id, q.added_at,
    (SELECT name FROM users WHERE account_id = q.account_id AND id = q.added_by_id) AS name
FROM handoffs AS h
JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
JOIN open_questions AS q ON q.account_id = h.account_id AND q.session_id = h.session_id
WHERE h.account_id = :account AND h.status IN ('pending', 'ready', 'claimed') AND q.to_user_id = :user
ORDER BY q.added_at, h.id, q.seq LIMIT :most
