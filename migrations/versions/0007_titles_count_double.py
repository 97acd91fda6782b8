"""In the search for similar past cases a word of a title counts double, and more candidates are compared."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"


def _quoted(lexeme: str) -> str:
    """A lexeme as an operand of a tsquery. quote_literal() would put an E before one with a backslash."""
    return rf"""'''' || replace(replace({lexeme}, '\', '\\'), '''', '''''') || ''''"""


def _weight(share: str, word: str, title: float) -> str:
    """What a word tells: rare ones most, those of a title `title` times as much."""
    return f"ln(1 + 1 / ({share} + 0.5 / known.n)) * CASE WHEN 'A' = ANY ({word}.weights) THEN {title} ELSE 1 END"


def similar(*, candidates: int, title: float) -> str:
    """The function that finds similar past cases; how it goes about it is told in 0006.

    The first line of `words` is the title. The cosine of two texts takes the geometric mean of the two weights of
    a word they share, so that it stays between 0 and 1 though a word may stand in one title only.
    """
    return f"""
CREATE OR REPLACE FUNCTION similar_handoffs(words text, besides uuid, most int, threshold real)
RETURNS TABLE (id uuid, score real)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, public SET enable_seqscan = off SET jit = off AS $$
    WITH known AS MATERIALIZED (
        SELECT coalesce(max(cases), 0) AS cases, greatest(max(cases), 100)::float8 AS n,
               coalesce((array_agg(shares))[1], '{{}}') AS shares
        FROM vocabularies WHERE account_id = {SCOPE}
    ), asked AS MATERIALIZED (
        SELECT word.lexeme, common.share, {_weight("common.share", "word", title)} AS weight,
               row_number() OVER (ORDER BY common.share, word.positions[1]) AS turn,
               sum(common.share * known.cases + 1) OVER (ORDER BY common.share, word.positions[1]) AS expected
        FROM known,
             unnest(setweight(to_tsvector('english', split_part(words, E'\\n', 1)), 'A')
                    || to_tsvector('english', substr(words, strpos(words, E'\\n') + 1))) AS word,
             LATERAL (SELECT coalesce((known.shares ->> word.lexeme)::float8, 0) AS share) AS common
    ), paired AS (
        SELECT * FROM asked WHERE turn > 24 OR expected > 600 ORDER BY turn LIMIT 4
    ), lookups AS MATERIALIZED (
        SELECT {_quoted("lexeme")} AS wanted, weight FROM asked WHERE turn <= 24 AND expected <= 600
        UNION ALL
        SELECT wanted, weight FROM (
            SELECT {_quoted("one.lexeme")} || '&' || {_quoted("two.lexeme")} AS wanted,
                   (one.weight + two.weight) / 2 AS weight,
                   sum(one.share * two.share * known.cases) OVER (ORDER BY one.share * two.share) AS expected
            FROM known, paired AS one JOIN paired AS two ON one.turn < two.turn
        ) AS pairs WHERE expected <= 600
    ), near AS MATERIALIZED (
        SELECT found.id, found.session_id
        FROM lookups, LATERAL (
            SELECT h.id, h.session_id FROM (
                SELECT id, session_id, account_id, status FROM handoffs
                WHERE search @@ ('''account:' || replace(({SCOPE})::text, '-', '') || '''&'
                                 || lookups.wanted)::tsquery
                OFFSET 0  -- so that no other index is tempting, however old the planner's statistics are
            ) AS h
            WHERE h.account_id = {SCOPE} AND h.status = 'resolved' AND h.id <> besides
            LIMIT 300
        ) AS found
        GROUP BY found.id, found.session_id ORDER BY sum(lookups.weight) DESC, found.id DESC LIMIT {candidates}
    ), compared AS (
        SELECT near.id, near.session_id,
               sum(sqrt(told.weight * asked.weight)) AS shared, sum(told.weight) AS all_told,
               count(asked.lexeme) AS words_shared
        FROM known, near
        JOIN sessions AS s ON s.account_id = {SCOPE} AND s.id = near.session_id,
             LATERAL (
                 SELECT word.lexeme,
                        {_weight("coalesce((known.shares ->> word.lexeme)::float8, 0)", "word", title)} AS weight
                 FROM unnest(setweight(to_tsvector('english', s.title), 'A')
                             || to_tsvector('english', left(s.problem, 2000))) AS word
             ) AS told LEFT JOIN asked ON asked.lexeme = told.lexeme
        GROUP BY near.id, near.session_id
    ), scored AS (
        SELECT DISTINCT ON (compared.session_id) compared.id,
               (shared / sqrt(greatest(all_told, 20) * greatest(mine.weight, 20)))::real AS score
        FROM compared, (SELECT sum(weight) AS weight FROM asked) AS mine
        WHERE words_shared >= 2
        ORDER BY compared.session_id, compared.id DESC
    )
    SELECT scored.id, scored.score FROM scored
    WHERE scored.score >= threshold ORDER BY scored.score DESC, scored.id DESC LIMIT most
$$
"""


def upgrade() -> None:
    op.execute(similar(candidates=45, title=2))


def downgrade() -> None:
    op.execute(similar(candidates=30, title=1))
