"""Indexes from which alone the escalation metrics are read."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MEASURED = ["id", "status", "generation", "escalated_at", "ready_at", "claimed_at", "first_action_at"]


def upgrade() -> None:
    op.drop_index("ix_handoffs_created_at", table_name="handoffs")
    op.create_index("ix_handoffs_created_at", "handoffs", ["account_id", "created_at"], postgresql_include=MEASURED)
    op.create_index(
        "ix_handoffs_escalated_at",
        "handoffs",
        ["account_id", "escalated_at"],
        postgresql_where=sa.text("escalated_at IS NOT NULL"),
    )
    op.create_index(
        "ix_assessments_queued_at",
        "assessments",
        ["account_id", "queued_at"],
        postgresql_include=["handoff_id", "generation", "state"],
    )


def downgrade() -> None:
    op.drop_index("ix_assessments_queued_at", table_name="assessments")
    op.drop_index("ix_handoffs_escalated_at", table_name="handoffs")
    op.drop_index("ix_handoffs_created_at", table_name="handoffs")
    op.create_index("ix_handoffs_created_at", "handoffs", ["account_id", "created_at"])
