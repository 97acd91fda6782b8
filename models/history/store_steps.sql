-- Store new steps of imported sessions, given as JSON.
WITH added AS (
    INSERT INTO session_steps (account_id, session_id, seq, kind, text, outcome, at, author, to_user_id, answers,
        retracted_at, retracted_by_id, added_by_id)
    SELECT :account, session_id, seq, kind, text, outcome, at, author, to_user_id, answers,
        retracted_at, CASE WHEN retracted_at IS NOT NULL THEN CAST(:by AS uuid) END, :by
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row(session_id uuid, seq int, kind text, text text,
        outcome text, at timestamptz, author text, to_user_id uuid, answers int, retracted_at timestamptz)
    RETURNING session_id, seq
), counted AS (SELECT session_id, max(seq) AS steps FROM added GROUP BY session_id)
UPDATE sessions SET steps_count = counted.steps FROM counted
WHERE sessions.account_id = :account AND sessions.id = counted.session_id
