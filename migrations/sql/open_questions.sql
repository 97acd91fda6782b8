-- The questions to a person that no step answers. What was retracted neither asks nor answers. Whether anybody waits for the
-- answer is not decided here: that depends on the session's handoff.
--
-- Steps that ask somebody, answer or are retracted are few; ix_session_steps_marked has them and no others.
CREATE VIEW open_questions WITH (security_invoker) AS
SELECT asked.account_id, asked.session_id, asked.seq, asked.text, asked.to_user_id, asked.added_by_id, asked.added_at
FROM session_steps AS asked
WHERE asked.to_user_id IS NOT NULL AND asked.retracted_at IS NULL AND NOT EXISTS (
    SELECT FROM session_steps AS answer
    WHERE answer.account_id = asked.account_id AND answer.session_id = asked.session_id
        AND answer.answers = asked.seq AND answer.answers IS NOT NULL AND answer.retracted_at IS NULL);
