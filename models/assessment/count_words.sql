-- Count in how many of an account's newest past cases each word occurs. A word of a single case is as rare as one of
-- none, so it is left out.
WITH past AS MATERIALIZED (
    SELECT said FROM past_cases WHERE account_id = :account ORDER BY handoff_id DESC LIMIT :sample
), size AS (SELECT count(*)::float8 AS cases FROM past),
words AS (
    SELECT lexeme, count(*) AS cases FROM past, unnest(tsvector_to_array(past.said)) AS lexeme
    GROUP BY lexeme
)
INSERT INTO vocabularies (account_id, cases, shares)
SELECT :account, (SELECT count(*) FROM past_cases WHERE account_id = :account),
    coalesce(jsonb_object_agg(lexeme, round((words.cases / size.cases)::numeric, 4)), '{}')
FROM words, size WHERE words.cases >= greatest(2, size.cases * :rarest)
ON CONFLICT (account_id) DO UPDATE
SET cases = excluded.cases, shares = excluded.shares, counted_at = now()
