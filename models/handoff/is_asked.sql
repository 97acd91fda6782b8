-- Whether a question to the person `by` waits for an answer in the session of a handoff.
EXISTS (SELECT FROM open_questions AS asked
    WHERE asked.account_id = handoffs.account_id AND asked.session_id = handoffs.session_id AND asked.to_user_id = :by)
