"""How common each word is in an account's past cases, and a search for similar ones that uses it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"


def _quoted(lexeme: str) -> str:
    """A lexeme as an operand of a tsquery. quote_literal() would put an E before one with a backslash."""
    return rf"""'''' || replace(replace({lexeme}, '\', '\\'), '''', '''''') || ''''"""


# Runs as the owner and is the policy itself (see 0002): it reads the account from the transaction's scope.
#
# 1. asked: the words of the new case, each with its weight, ln(1 + 1 / share): rare words tell most.
# 2. lookups: which of them are looked up. The rarest alone, common ones in pairs, as long as all of them
#    together are expected to bring at most 1,200 rows; so the cost does not grow with the account.
# 3. near: the cases that most weight speaks for, without reading their texts.
# 4. The score, from titles and problems: shared weight / sqrt(one's weight * the other's), a cosine. Neither
#    counts as less than 20, so that two texts of two words are not the same because of one.
SIMILAR = f"""
CREATE FUNCTION similar_handoffs(words text, besides uuid, most int, threshold real)
RETURNS TABLE (id uuid, score real)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, public SET enable_seqscan = off SET jit = off AS $$
    WITH known AS MATERIALIZED (
        SELECT coalesce(max(cases), 0) AS cases, greatest(max(cases), 100)::float8 AS n,
               coalesce((array_agg(shares))[1], '{{}}') AS shares
        FROM vocabularies WHERE account_id = {SCOPE}
    ), asked AS MATERIALIZED (
        SELECT word.lexeme, common.share, ln(1 + 1 / (common.share + 0.5 / known.n)) AS weight,
               row_number() OVER (ORDER BY common.share, word.positions[1]) AS turn,
               sum(common.share * known.cases + 1) OVER (ORDER BY common.share, word.positions[1]) AS expected
        FROM known, unnest(to_tsvector('english', words)) AS word,
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
        GROUP BY found.id, found.session_id ORDER BY sum(lookups.weight) DESC, found.id DESC LIMIT 30
    ), compared AS (
        SELECT near.id, near.session_id,
               sum(told.weight) FILTER (WHERE asked.lexeme IS NOT NULL) AS shared, sum(told.weight) AS all_told,
               count(asked.lexeme) AS words_shared
        FROM known, near
        JOIN sessions AS s ON s.account_id = {SCOPE} AND s.id = near.session_id,
             LATERAL (
                 SELECT lexeme, ln(1 + 1 / (coalesce((known.shares ->> lexeme)::float8, 0) + 0.5 / known.n)) AS weight
                 FROM unnest(to_tsvector('english', left(s.title || E'\\n' || s.problem, 2000)))
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
    op.create_table(
        "vocabularies",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("shares", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_vocabularies_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_vocabularies")),
    )
    op.create_index(
        "ix_handoffs_resolved",
        "handoffs",
        ["account_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'resolved'"),
    )
    op.execute("ALTER TABLE vocabularies ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE vocabularies FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON vocabularies TO escalation_upkeep")
    op.execute("CREATE POLICY upkeep ON vocabularies TO escalation_upkeep USING (true) WITH CHECK (true)")
    op.execute("CREATE POLICY owner ON vocabularies TO CURRENT_USER USING (true) WITH CHECK (true)")
    # Every lookup reads the list of entries that are not in the index yet, and one search makes thirty lookups.
    op.execute("ALTER INDEX ix_handoffs_search SET (gin_pending_list_limit = 64)")  # kB
    op.execute(SIMILAR)
    op.execute("REVOKE ALL ON FUNCTION similar_handoffs(text, uuid, int, real) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION similar_handoffs(text, uuid, int, real) TO escalation_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION similar_handoffs(text, uuid, int, real)")
    op.execute("ALTER INDEX ix_handoffs_search RESET (gin_pending_list_limit)")
    op.drop_index("ix_handoffs_resolved", table_name="handoffs")
    op.drop_table("vocabularies")
