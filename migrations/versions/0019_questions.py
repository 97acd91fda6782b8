"""Let a step be a question to somebody, an answer, or retracted, and show it on cards.

The index reads session_steps once; no step can be added meanwhile.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
ROLES = "escalation_app, escalation_upkeep"
PEOPLE = ("to_user_id", "retracted_by_id")
MARKED = "to_user_id IS NOT NULL OR answers IS NOT NULL OR retracted_at IS NOT NULL"


def upgrade() -> None:
    op.add_column("session_steps", sa.Column("to_user_id", sa.Uuid(), nullable=True))
    op.add_column("session_steps", sa.Column("answers", sa.BigInteger(), nullable=True))
    op.add_column("session_steps", sa.Column("retracted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("session_steps", sa.Column("retracted_by_id", sa.Uuid(), nullable=True))
    for column in PEOPLE:
        # Not validated: the rows that are there have nobody in these columns.
        op.execute(
            f"ALTER TABLE session_steps ADD CONSTRAINT fk_session_steps_account_id_{column}"
            f" FOREIGN KEY (account_id, {column}) REFERENCES users (account_id, id) NOT VALID"
        )
    op.create_index(
        "ix_session_steps_marked",
        "session_steps",
        ["account_id", "session_id", "seq"],
        postgresql_where=sa.text(MARKED),
    )
    op.execute("GRANT UPDATE (answers, retracted_at, retracted_by_id) ON session_steps TO escalation_app")
    op.execute((SQL / "open_questions.sql").read_text())
    op.execute(f"GRANT SELECT ON open_questions TO {ROLES}")
    op.execute((SQL / "handoff_cards.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "handoff_cards_0018.sql").read_text())
    op.execute("DROP VIEW open_questions")
    op.execute("REVOKE UPDATE (answers, retracted_at, retracted_by_id) ON session_steps FROM escalation_app")
    op.drop_index("ix_session_steps_marked", "session_steps")
    for column in reversed(PEOPLE):
        op.drop_constraint(f"fk_session_steps_account_id_{column}", "session_steps")
    for column in ("retracted_by_id", "retracted_at", "answers", "to_user_id"):
        op.drop_column("session_steps", column)
