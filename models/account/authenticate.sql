-- The callers behind these proofs, which are digests of tokens or keys of logins, with the time at which each ends.
-- Notes the use of a token at most once a minute, so that polling does not turn into writing, and leaves a row that
-- another process is writing to that process.
WITH proven AS (
    SELECT digest AS proof, account_id, id, expires_at FROM api_tokens WHERE digest = ANY (:proofs)
    UNION ALL
    SELECT key, account_id, token_id, expires_at FROM logins WHERE key = ANY (:proofs) AND expires_at > now()
), token AS (
    SELECT proof, account_id, id, user_id, least(proven.expires_at, stored.expires_at) AS expires_at
    FROM proven JOIN api_tokens AS stored USING (account_id, id)
    WHERE revoked_at IS NULL AND (stored.expires_at IS NULL OR stored.expires_at > now())
), due AS (
    SELECT account_id, id FROM api_tokens
    WHERE (account_id, id) IN (SELECT account_id, id FROM proven)
        AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
    FOR NO KEY UPDATE SKIP LOCKED
), used AS (
    UPDATE api_tokens AS stored SET last_used_at = now() FROM due JOIN token USING (account_id, id)
    WHERE stored.account_id = due.account_id AND stored.id = due.id
)
SELECT token.proof, token.account_id, accounts.name AS account_name, token.user_id, users.name, users.role, users.kind,
    token.id AS token_id, token.expires_at
FROM token
JOIN users ON users.account_id = token.account_id AND users.id = token.user_id AND users.deleted_at IS NULL
JOIN accounts ON accounts.id = token.account_id
