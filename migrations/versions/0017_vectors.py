"""Add vectors of past cases and the thresholds of their models; the search compares a given number of cases."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SEARCH = Path(__file__).parents[1] / "sql" / "similar_handoffs.sql"
SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"
FORMER = "text, uuid, int, real"
TABLES = ("past_case_vectors", "past_case_thresholds")


def upgrade() -> None:
    op.create_table(
        "past_case_vectors",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("handoff_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "handoff_id"],
            ["past_cases.account_id", "past_cases.handoff_id"],
            name=op.f("fk_past_case_vectors_account_id_handoff_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "handoff_id", name=op.f("pk_past_case_vectors")),
    )
    op.create_table(
        "past_case_thresholds",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("least", sa.Double(), nullable=False),
        sa.Column("calibrated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_past_case_thresholds_account_id")),
        sa.PrimaryKeyConstraint("account_id", "model", name=op.f("pk_past_case_thresholds")),
    )
    # Numbers do not get smaller, and trying would be repeated for each vector.
    op.execute("ALTER TABLE past_case_vectors ALTER COLUMN vector SET STORAGE EXTERNAL")
    for table in TABLES:
        _protect(table)
    _add_search()


def downgrade() -> None:
    # The former search, where there is one, is then the only one again.
    op.execute(f"""DO $$ BEGIN
        IF to_regprocedure('similar_handoffs({FORMER})') IS NOT NULL THEN
            DROP FUNCTION similar_handoffs({FORMER}, int);
        END IF;
    END $$""")
    for table in reversed(TABLES):
        op.drop_table(table)


def _protect(table: str) -> None:
    """An account reads its own rows; what works across accounts writes them."""
    own = f"account_id = {SCOPE}"
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"GRANT SELECT ON {table} TO escalation_app")
    op.execute(f"CREATE POLICY account ON {table} TO escalation_app USING ({own}) WITH CHECK ({own})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO escalation_upkeep")
    op.execute(f"CREATE POLICY upkeep ON {table} TO escalation_upkeep USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


def _add_search() -> None:
    """Create the search with a given number of cases to compare.

    The one of four parameters stays for processes of the former version; a release later it can be dropped.
    """
    op.execute(SEARCH.read_text().replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
    op.execute(f"REVOKE ALL ON FUNCTION similar_handoffs({FORMER}, int) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION similar_handoffs({FORMER}, int) TO escalation_app")
