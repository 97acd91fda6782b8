"""Past cases have a small table of their own, which is all that the search for similar ones reads.

The search went through the index of all handoffs. It read every match of a wide table, those that are still open too,
and took the texts of 45 sessions apart each time. An account whose matches are mostly open paid for all of them.
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"

# What was said is looked up, title and problem are compared.
CASES = """
    SELECT h.account_id, h.id, h.session_id, h.search, setweight(to_tsvector('english', s.title), 'A')
        || to_tsvector('english', left(s.problem, 2000))
    FROM {handoffs} AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
"""

# A trigger, so that no writer can forget it. Nothing of a resolved handoff's words changes afterwards.
REMEMBER = f"""
CREATE FUNCTION remember_case() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO past_cases (account_id, handoff_id, session_id, said, opening)
    {CASES.format(handoffs="(SELECT NEW.account_id, NEW.id, NEW.session_id, NEW.search)")}
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$
"""

ANALYZE = """
CREATE OR REPLACE FUNCTION analyze_history() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    ANALYZE sessions, session_steps, handoffs, imported_handoffs{more};
END
$$
"""


def _quoted(lexeme: str) -> str:
    """A lexeme as an operand of a tsquery. quote_literal() would put an E before one with a backslash."""
    return rf"""'''' || replace(replace({lexeme}, '\', '\\'), '''', '''''') || ''''"""


def _weight(share: str, word: str) -> str:
    """What a word tells: rare ones most, those of a title twice as much."""
    return f"ln(1 + 1 / ({share} + 0.5 / known.n)) * CASE WHEN 'A' = ANY ({word}.weights) THEN 2 ELSE 1 END"


# How it goes about it is told in 0006; the weights of titles in 0007. At most 300 rows are expected to be read for
# words alone and as many for pairs, where it was twice that: hardly anything more was found (docs/assessment.md).
SIMILAR = f"""
CREATE OR REPLACE FUNCTION similar_handoffs(words text, besides uuid, most int, threshold real)
RETURNS TABLE (id uuid, score real)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, public SET enable_seqscan = off SET jit = off AS $$
    WITH known AS MATERIALIZED (
        SELECT coalesce(max(cases), 0) AS cases, greatest(max(cases), 100)::float8 AS n,
               coalesce((array_agg(shares))[1], '{{}}') AS shares
        FROM vocabularies WHERE account_id = {SCOPE}
    ), asked AS MATERIALIZED (
        SELECT word.lexeme, common.share, {_weight("common.share", "word")} AS weight,
               row_number() OVER (ORDER BY common.share, word.positions[1]) AS turn,
               sum(common.share * known.cases + 1) OVER (ORDER BY common.share, word.positions[1]) AS expected
        FROM known,
             unnest(setweight(to_tsvector('english', split_part(words, E'\\n', 1)), 'A')
                    || to_tsvector('english', substr(words, strpos(words, E'\\n') + 1))) AS word,
             LATERAL (SELECT coalesce((known.shares ->> word.lexeme)::float8, 0) AS share) AS common
    ), paired AS (
        SELECT * FROM asked WHERE turn > 24 OR expected > 300 ORDER BY turn LIMIT 4
    ), lookups AS MATERIALIZED (
        SELECT {_quoted("lexeme")} AS wanted, weight FROM asked WHERE turn <= 24 AND expected <= 300
        UNION ALL
        SELECT wanted, weight FROM (
            SELECT {_quoted("one.lexeme")} || '&' || {_quoted("two.lexeme")} AS wanted,
                   (one.weight + two.weight) / 2 AS weight,
                   sum(one.share * two.share * known.cases) OVER (ORDER BY one.share * two.share) AS expected
            FROM known, paired AS one JOIN paired AS two ON one.turn < two.turn
        ) AS pairs WHERE expected <= 300
    ), near AS MATERIALIZED (
        SELECT found.handoff_id
        FROM lookups, LATERAL (
            SELECT past.handoff_id FROM (
                SELECT handoff_id, account_id FROM past_cases
                WHERE said @@ ('''account:' || replace(({SCOPE})::text, '-', '') || '''&'
                                || lookups.wanted)::tsquery
                OFFSET 0  -- so that no other index is tempting, however old the planner's statistics are
            ) AS past
            WHERE past.account_id = {SCOPE} AND past.handoff_id <> besides
            LIMIT 300
        ) AS found
        GROUP BY found.handoff_id ORDER BY sum(lookups.weight) DESC, found.handoff_id DESC LIMIT 45
    ), compared AS (
        SELECT past.handoff_id, past.session_id,
               sum(sqrt(told.weight * asked.weight)) AS shared, sum(told.weight) AS all_told,
               count(asked.lexeme) AS words_shared
        FROM known, near
        JOIN past_cases AS past ON past.account_id = {SCOPE} AND past.handoff_id = near.handoff_id,
             LATERAL (
                 SELECT word.lexeme,
                        {_weight("coalesce((known.shares ->> word.lexeme)::float8, 0)", "word")} AS weight
                 FROM unnest(past.opening) AS word
             ) AS told LEFT JOIN asked ON asked.lexeme = told.lexeme
        GROUP BY past.handoff_id, past.session_id
    ), scored AS (
        SELECT DISTINCT ON (compared.session_id) compared.handoff_id,
               (shared / sqrt(greatest(all_told, 20) * greatest(mine.weight, 20)))::real AS score
        FROM compared, (SELECT sum(weight) AS weight FROM asked) AS mine
        WHERE words_shared >= 2
        ORDER BY compared.session_id, compared.handoff_id DESC
    )
    SELECT scored.handoff_id, scored.score FROM scored
    WHERE scored.score >= threshold ORDER BY scored.score DESC, scored.handoff_id DESC LIMIT most
$$
"""


def upgrade() -> None:
    _create_table()
    op.execute(REMEMBER)
    for event, resolved in (
        ("INSERT", "NEW.status = 'resolved'"),
        ("UPDATE OF status", "OLD.status <> 'resolved' AND NEW.status = 'resolved'"),
    ):
        op.execute(
            f"CREATE TRIGGER remember_case_{event.split()[0].lower()} AFTER {event} ON handoffs"
            f" FOR EACH ROW WHEN ({resolved}) EXECUTE FUNCTION remember_case()"
        )
    op.execute(f"INSERT INTO past_cases {CASES.format(handoffs='handoffs')} WHERE h.status = 'resolved'")
    op.drop_index("ix_handoffs_resolved", table_name="handoffs")
    op.execute(ANALYZE.format(more=", past_cases"))
    op.execute(SIMILAR)


def _create_table() -> None:
    op.create_table(
        "past_cases",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("handoff_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("said", postgresql.TSVECTOR(), nullable=False),
        sa.Column("opening", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "handoff_id"],
            ["handoffs.account_id", "handoffs.id"],
            name=op.f("fk_past_cases_account_id_handoff_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "handoff_id", name=op.f("pk_past_cases")),
        # Rows of a hundred bytes: the words lie elsewhere and are not read for a match.
        postgresql_with={"toast_tuple_target": "128"},
    )
    op.create_index(
        "ix_past_cases_said",
        "past_cases",
        ["said"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},  # see 0005
    )
    op.execute("ALTER TABLE past_cases ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE past_cases FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON past_cases TO escalation_upkeep")
    op.execute("CREATE POLICY upkeep ON past_cases TO escalation_upkeep USING (true) WITH CHECK (true)")
    op.execute("CREATE POLICY owner ON past_cases TO CURRENT_USER USING (true) WITH CHECK (true)")


def downgrade() -> None:
    earlier = context.script.get_revision("0007").module
    op.execute(earlier.similar(candidates=45, title=2))
    op.execute(ANALYZE.format(more=""))
    for event in ("insert", "update"):
        op.execute(f"DROP TRIGGER remember_case_{event} ON handoffs")
    op.execute("DROP FUNCTION remember_case()")
    op.create_index(
        "ix_handoffs_resolved",
        "handoffs",
        ["account_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'resolved'"),
    )
    op.drop_table("past_cases")
