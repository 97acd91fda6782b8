-- All that a handoff adds, in one message: the new steps of its session, the handoff, and its first assessment if it has
-- one. However many steps, the statement has one shape.
WITH step AS (
    INSERT INTO session_steps (account_id, session_id, seq, kind, text, outcome, at, author, to_user_id, answers,
        added_by_id)
    SELECT :account, :session, seq, kind, text, outcome, at, author, to_user_id, answers, :by
    FROM jsonb_to_recordset(CAST(:steps AS jsonb)) AS row(seq int, kind text, text text, outcome text,
        at timestamptz, author text, to_user_id uuid, answers int)
), counted AS (
    UPDATE sessions SET steps_count = steps_count + :count
    WHERE account_id = :account AND id = :session AND :count > 0
), handoff AS (
    INSERT INTO handoffs (account_id, id, session_id, intent, status, version, priority, reason, ask,
        handed_off_by_id, target_id, returns, overdue, generation, search, words)
    VALUES (:account, :handoff, :session, :intent, :status, 1, :priority, :reason, :ask,
        :by, :target, :returns, false, CASE WHEN CAST(:assessment AS uuid) IS NULL THEN 0 ELSE 1 END,
        array_to_tsvector(ARRAY[:lexeme]) || setweight(to_tsvector('english', :title), 'A')
            || to_tsvector('english', :text),
        CAST(:words AS tsvector))
)
INSERT INTO assessments (account_id, id, handoff_id, generation, lane, state, asked_by_id, deadline_at)
SELECT :account, :assessment, :handoff, 1, 'interactive', 'queued', :by, now() + :deadline * interval '1 s'
WHERE CAST(:assessment AS uuid) IS NOT NULL
