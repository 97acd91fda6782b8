-- Move these steps of a draft to the end of the ticket's session. They keep who added them and when.
WITH moved AS (
    UPDATE session_steps SET session_id = :ticket, seq = :before + fresh.place
    FROM unnest(CAST(:steps AS int[])) WITH ORDINALITY AS fresh (seq, place)
    WHERE account_id = :account AND session_id = :draft AND session_steps.seq = fresh.seq
    RETURNING session_steps.seq
)
UPDATE sessions SET steps_count = :before + (SELECT count(*) FROM moved)
WHERE account_id = :account AND id = :ticket
