"""The search for similar past cases counts shared words in C: the same answers in a fraction of the time."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"
FUNCTION = f"""
CREATE OR REPLACE FUNCTION similar_handoffs(words text, besides uuid, most int) RETURNS TABLE (id uuid, score real)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    WITH asked AS (
        SELECT tsvector_to_array(to_tsvector('english', words)) AS lexemes
    ), past AS (
        SELECT h.id, {{shared}} AS shared, cardinality(asked.lexemes) AS wanted
        FROM asked, handoffs AS h
        WHERE h.account_id = {SCOPE} AND h.status = 'resolved' AND h.id <> besides
    )
    SELECT past.id, (shared::real / wanted) AS score FROM past
    WHERE wanted > 0 AND shared >= 3 AND shared::real / wanted >= 0.35
    ORDER BY score DESC, past.id DESC LIMIT most
$$
"""
# How many of the words are gone when those that were asked for are taken out.
DELETED = "length(h.search) - length(ts_delete(h.search, asked.lexemes))"
INTERSECTED = """
    cardinality(ARRAY(SELECT unnest(tsvector_to_array(h.search)) INTERSECT SELECT unnest(asked.lexemes)))
"""


def upgrade() -> None:
    op.execute(FUNCTION.format(shared=DELETED))


def downgrade() -> None:
    op.execute(FUNCTION.format(shared=INTERSECTED))
