-- Store the sessions of imported lines, given as JSON, and lock them as intake does; existing ones stay as they are.
INSERT INTO sessions (account_id, id, external_id, title, problem, category, client, asset, opened_at, draft_of)
SELECT :account, id, external_id, title, problem, category, client, asset, opened_at, draft_of
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row(id uuid, external_id text, title text, problem text,
    category text, client text, asset text, opened_at timestamptz, draft_of uuid)
ORDER BY external_id
ON CONFLICT (account_id, external_id, draft_of) DO UPDATE SET steps_count = sessions.steps_count
RETURNING id, external_id, title, problem, client, asset, category, steps_count
