-- Store imported handoffs, given as JSON, each with the key of its line.
WITH line AS (
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row(
        id uuid, session_id uuid, intent text, status text, priority text, reason text, ask text,
        target_id uuid, created_at timestamptz, ready_at timestamptz, resolved_at timestamptz,
        resolution text, root_cause text, returns int, title text, stems text, words tsvector, key text)
), imported AS (
    INSERT INTO imported_handoffs (account_id, handoff_id, key) SELECT :account, id, key FROM line
)
INSERT INTO handoffs (account_id, id, session_id, intent, status, version, priority, reason, ask,
    handed_off_by_id, target_id, created_at, ready_at, resolved_at, resolution, root_cause, returns,
    overdue, generation, search, words)
SELECT :account, id, session_id, intent, status, 1, priority, reason, ask,
    :by, target_id, created_at, ready_at, resolved_at, resolution, root_cause, returns,
    false, 0, array_to_tsvector(ARRAY[:lexeme]) || setweight(to_tsvector('english', title), 'A')
        || to_tsvector('english', stems), words
FROM line
