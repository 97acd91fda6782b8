-- Past cases of an account, drawn the same way each time, with the start of their texts.
SELECT past.account_id, past.handoff_id, s.title, left(s.problem, :longest) AS problem FROM (
    SELECT account_id, handoff_id, session_id FROM past_cases WHERE account_id = :account
    ORDER BY md5(CAST(handoff_id AS text)) LIMIT :most
) AS past JOIN sessions AS s ON s.account_id = past.account_id AND s.id = past.session_id
ORDER BY past.handoff_id
