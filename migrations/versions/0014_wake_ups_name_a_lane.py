"""A wake-up names a lane and no row, so that nothing is kept about when a row was last woken for."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    op.drop_index("ix_assessments_unfinished", table_name="assessments")
    op.drop_column("assessments", "wakes")
    op.drop_column("assessments", "woken_at")
    columns = ["state", "lane", "not_before"]
    op.create_index("ix_assessments_unfinished", "assessments", columns, postgresql_where=UNFINISHED)


def downgrade() -> None:
    op.drop_index("ix_assessments_unfinished", table_name="assessments")
    op.add_column(
        "assessments", sa.Column("woken_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)
    )
    op.add_column("assessments", sa.Column("wakes", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_assessments_unfinished", "assessments", ["state", "woken_at"], postgresql_where=UNFINISHED)
