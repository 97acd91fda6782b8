-- Past cases of the account in scope that resemble the given words, the best first; for assessments.
--
-- `words` is a title, a line feed and a problem; `besides` is the handoff that asks; `compared` is how many texts are
-- compared. Runs as the owner, as search_handoffs.
--
-- 1. asked: the words of the new case, each with its weight, ln(1 + 1 / share): rare words tell most, and a word of a
--    title twice as much.
-- 2. lookups: the words that are looked up. The rarest alone and common ones in pairs, as long as at most 300 rows are
--    expected for either, so that the cost does not grow with the account.
-- 3. near: the cases for which the most weight speaks, without reading their texts.
-- 4. The score, from titles and problems: shared weight / sqrt(one's weight * the other's), a cosine, in which a shared
--    word counts with the geometric mean of its two weights. Neither side counts as less than 20, so that two texts of
--    two words are not the same because of one.
CREATE FUNCTION similar_handoffs(words text, besides uuid, most int, threshold real, compared int)
RETURNS TABLE (id uuid, score real)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off SET jit = off AS $$
    WITH known AS MATERIALIZED (
        SELECT coalesce(max(cases), 0) AS cases, greatest(max(cases), 100)::float8 AS n,
            coalesce((array_agg(shares))[1], '{}') AS shares
        FROM vocabularies WHERE account_id = nullif(current_setting('app.account_id', true), '')::uuid
    ), asked AS MATERIALIZED (
        SELECT word.lexeme, common.share,
            ln(1 + 1 / (common.share + 0.5 / known.n)) * CASE WHEN 'A' = ANY (word.weights) THEN 2 ELSE 1 END AS weight,
            row_number() OVER (ORDER BY common.share, word.positions[1]) AS turn,
            sum(common.share * known.cases + 1) OVER (ORDER BY common.share, word.positions[1]) AS expected
        FROM known,
            unnest(setweight(to_tsvector('english', split_part(words, E'\n', 1)), 'A')
                || to_tsvector('english', substr(words, strpos(words, E'\n') + 1))) AS word,
            LATERAL (SELECT coalesce((known.shares ->> word.lexeme)::float8, 0) AS share) AS common
    ), quoted AS (
        -- As operands of a tsquery; quote_literal() would put an E before one with a backslash.
        SELECT asked.*, '''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''' AS operand FROM asked
    ), paired AS (
        SELECT * FROM quoted WHERE turn > 24 OR expected > 300 ORDER BY turn LIMIT 4
    ), lookups AS MATERIALIZED (
        SELECT operand AS wanted, weight FROM quoted WHERE turn <= 24 AND expected <= 300
        UNION ALL
        SELECT wanted, weight FROM (
            SELECT one.operand || '&' || two.operand AS wanted, (one.weight + two.weight) / 2 AS weight,
                sum(one.share * two.share * known.cases) OVER (ORDER BY one.share * two.share) AS expected
            FROM known, paired AS one JOIN paired AS two ON one.turn < two.turn
        ) AS pairs WHERE expected <= 300
    ), near AS MATERIALIZED (
        SELECT found.handoff_id
        FROM lookups, LATERAL (
            SELECT past.handoff_id FROM (
                SELECT handoff_id, account_id FROM past_cases
                WHERE said @@ ('''account:'
                    || replace((nullif(current_setting('app.account_id', true), '')::uuid)::text, '-', '')
                    || '''&' || lookups.wanted)::tsquery
                OFFSET 0  -- so that no other index is tempting, however old the planner's statistics are
            ) AS past
            WHERE past.account_id = nullif(current_setting('app.account_id', true), '')::uuid
                AND past.handoff_id <> besides
            LIMIT 300
        ) AS found
        GROUP BY found.handoff_id ORDER BY sum(lookups.weight) DESC, found.handoff_id DESC LIMIT compared
    ), weighed AS (
        SELECT past.handoff_id, past.session_id,
            sum(sqrt(theirs.weight * asked.weight)) AS shared, sum(theirs.weight) AS all_theirs,
            count(asked.lexeme) AS words_shared
        FROM known, near
        JOIN past_cases AS past ON past.account_id = nullif(current_setting('app.account_id', true), '')::uuid
                AND past.handoff_id = near.handoff_id,
            LATERAL (
                SELECT word.lexeme, ln(1 + 1 / (coalesce((known.shares ->> word.lexeme)::float8, 0) + 0.5 / known.n))
                    * CASE WHEN 'A' = ANY (word.weights) THEN 2 ELSE 1 END AS weight
                FROM unnest(past.opening) AS word
            ) AS theirs LEFT JOIN asked ON asked.lexeme = theirs.lexeme
        GROUP BY past.handoff_id, past.session_id
    ), scored AS (
        SELECT DISTINCT ON (weighed.session_id) weighed.handoff_id,
            (shared / sqrt(greatest(all_theirs, 20) * greatest(mine.weight, 20)))::real AS score
        FROM weighed, (SELECT sum(weight) AS weight FROM asked) AS mine
        WHERE words_shared >= 2
        ORDER BY weighed.session_id, weighed.handoff_id DESC
    )
    SELECT scored.handoff_id, scored.score FROM scored
    WHERE scored.score >= threshold ORDER BY scored.score DESC, scored.handoff_id DESC LIMIT most
$$;
