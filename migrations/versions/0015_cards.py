"""Write the representations of a handoff in views, and times in a function: the statements that read them select."""

from pathlib import Path

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
ROLES = "escalation_app, escalation_upkeep"
VIEWS = {"assessment_bodies": "assessment_bodies_0015", "handoff_cards": "handoff_cards_0015"}  # view: file


def upgrade() -> None:
    op.execute((SQL / "rfc3339.sql").read_text())
    op.execute(f"GRANT EXECUTE ON FUNCTION rfc3339 TO {ROLES}")
    for view, file in VIEWS.items():
        op.execute((SQL / f"{file}.sql").read_text())
        op.execute(f"GRANT SELECT ON {view} TO {ROLES}")


def downgrade() -> None:
    for view in reversed(VIEWS):
        op.execute(f"DROP VIEW {view}")
    op.execute("DROP FUNCTION rfc3339")
