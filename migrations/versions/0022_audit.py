"""Add the audit: an account's history, to which a line can be added and nothing else."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("handoff_id", sa.Uuid(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "seq", name=op.f("pk_audit")),
    )
    op.create_index(
        "ix_audit_handoff",
        "audit",
        ["account_id", "handoff_id", "seq"],
        postgresql_where=sa.text("handoff_id IS NOT NULL"),
    )
    op.create_index("ix_audit_kind", "audit", ["account_id", "kind", "seq"])
    for name in ("lock_audit", "chain_audit"):
        op.execute((SQL / f"{name}.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION lock_audit TO escalation_app, escalation_upkeep")
    op.execute("CREATE TRIGGER chain_audit BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION chain_audit()")
    _protect()


def downgrade() -> None:
    op.drop_table("audit")
    op.execute("DROP FUNCTION chain_audit")
    op.execute("DROP FUNCTION lock_audit")


def _protect() -> None:
    """Let the service's roles read and add lines, and change none."""
    own = f"account_id = {SCOPE}"
    op.execute("ALTER TABLE audit ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE audit FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT ON audit TO escalation_app, escalation_upkeep")
    op.execute(f"CREATE POLICY account ON audit TO escalation_app USING ({own}) WITH CHECK ({own})")
    op.execute("CREATE POLICY upkeep ON audit TO escalation_upkeep USING (true) WITH CHECK (true)")
    op.execute("CREATE POLICY owner ON audit TO CURRENT_USER USING (true) WITH CHECK (true)")
