"""Past cases found through the index, so that a hundred thousand of them cost no more than a few hundred."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"

# Up to 300 past cases are all compared. Beyond that only those are that share rare words with what is asked: the
# 16 rarest words, by the statistics of the column (words that are not in them are rarer than those that are),
# each look up at most 300 cases, and the 60 that were found by the most words are compared. A sequential scan is
# never right here, but a plan made while the table was small would be one.
SIMILAR = f"""
CREATE OR REPLACE FUNCTION similar_handoffs(words text, besides uuid, most int) RETURNS TABLE (id uuid, score real)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    scope uuid := {SCOPE};
    mine text := quote_literal('account:' || replace(({SCOPE})::text, '-', ''));
    lexemes text[] := tsvector_to_array(to_tsvector('english', words));
    wanted int := cardinality(lexemes);
    candidates uuid[];
BEGIN
    IF wanted < 3 THEN RETURN; END IF;
    candidates := ARRAY(
        SELECT h.id FROM handoffs AS h
        WHERE h.search @@ mine::tsquery AND h.status = 'resolved' AND h.id <> besides LIMIT 301);
    IF cardinality(candidates) > 300 THEN
        candidates := ARRAY(
            WITH known AS (
                SELECT e.lexeme, e.frequency FROM pg_stats AS s,
                    unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs) AS e(lexeme, frequency)
                WHERE s.schemaname = 'public' AND s.tablename = 'handoffs' AND s.attname = 'search'
                  AND e.lexeme = ANY(lexemes)
            ), rare AS (
                SELECT l.lexeme FROM unnest(lexemes) AS l(lexeme) LEFT JOIN known USING (lexeme)
                ORDER BY coalesce(known.frequency, 0), length(l.lexeme) DESC, l.lexeme LIMIT 16
            ), found AS (
                SELECT hit.id FROM rare, LATERAL (
                    SELECT h.id FROM handoffs AS h
                    WHERE h.search @@ (mine || ' & ''' || replace(replace(rare.lexeme, '\\', '\\\\'), '''', '''''')
                                       || '''')::tsquery
                      AND h.status = 'resolved' AND h.id <> besides
                    LIMIT 300) AS hit
            )
            SELECT found.id FROM found GROUP BY found.id ORDER BY count(*) DESC, found.id DESC LIMIT 60);
    END IF;
    RETURN QUERY
        SELECT past.id, (past.shared::real / wanted)::real AS score FROM (
            SELECT h.id, length(h.search) - length(ts_delete(h.search, lexemes)) AS shared
            FROM handoffs AS h WHERE h.account_id = scope AND h.id = ANY(candidates)
        ) AS past
        WHERE past.shared >= 3 AND past.shared::real / wanted >= 0.35
        ORDER BY score DESC, past.id DESC LIMIT most;
END
$$
"""
# Plans, also those of foreign keys that open connections keep, are only as good as the statistics. After a large
# import they must not wait for autovacuum.
ANALYZE = """
CREATE FUNCTION analyze_history() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    ANALYZE sessions, session_steps, handoffs, imported_handoffs;
END
$$
"""
BEFORE = f"""
CREATE OR REPLACE FUNCTION similar_handoffs(words text, besides uuid, most int) RETURNS TABLE (id uuid, score real)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    WITH asked AS (
        SELECT tsvector_to_array(to_tsvector('english', words)) AS lexemes
    ), past AS (
        SELECT h.id, cardinality(ARRAY(
            SELECT unnest(tsvector_to_array(h.search)) INTERSECT SELECT unnest(asked.lexemes)
        )) AS shared, cardinality(asked.lexemes) AS wanted
        FROM asked, handoffs AS h
        WHERE h.account_id = {SCOPE} AND h.status = 'resolved' AND h.id <> besides
    )
    SELECT past.id, (shared::real / wanted) AS score FROM past
    WHERE wanted > 0 AND shared >= 3 AND shared::real / wanted >= 0.35
    ORDER BY score DESC, past.id DESC LIMIT most
$$
"""


def upgrade() -> None:
    op.execute(SIMILAR)
    op.execute(ANALYZE)
    op.execute("REVOKE ALL ON FUNCTION analyze_history() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION analyze_history() TO escalation_upkeep")
    # A reader of the index would go through the list of what is not sorted in yet, once for each word.
    op.execute("ALTER INDEX ix_handoffs_search SET (fastupdate = off)")
    # Room on each page keeps a handoff's many updates there (HOT), so that its words are not indexed again.
    op.execute("ALTER TABLE handoffs SET (fillfactor = 60)")


def downgrade() -> None:
    op.execute("ALTER TABLE handoffs RESET (fillfactor)")
    op.execute("ALTER INDEX ix_handoffs_search RESET (fastupdate)")
    op.execute("DROP FUNCTION analyze_history()")
    op.execute(BEFORE)
