"""Show the state of the case in an assessment, and let an account name the language of its readers."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("language", sa.Text(), nullable=True))
    op.execute((SQL / "assessment_bodies.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "assessment_bodies_0015.sql").read_text())
    op.drop_column("accounts", "language")
