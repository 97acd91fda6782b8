-- Move these steps of a draft to the end of the ticket's session. They keep who added them and when; what they answer has
-- another number there.
WITH moved AS (
    UPDATE session_steps SET session_id = :ticket, seq = :before + fresh.place, answers = fresh.answers
    FROM unnest(CAST(:steps AS int[]), CAST(:answers AS int[])) WITH ORDINALITY AS fresh (seq, answers, place)
    WHERE account_id = :account AND session_id = :draft AND session_steps.seq = fresh.seq
    RETURNING session_steps.seq
)
UPDATE sessions SET steps_count = :before + (SELECT count(*) FROM moved)
WHERE account_id = :account AND id = :ticket
