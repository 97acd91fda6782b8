"""Keep who has read what, find the resolved handoffs of a period and a person's drafts, and store age limits.

The index of the resolved ones is built while writes to handoffs wait: about a second for a million of them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"
LIMITS = ("amber_minutes", "red_minutes", "urgent_amber_minutes", "urgent_red_minutes")


def upgrade() -> None:
    op.add_column("handoffs", sa.Column("unread_since", postgresql.JSONB(), nullable=True))
    _create_reads()
    op.create_index(
        "ix_handoffs_resolved_at",
        "handoffs",
        ["account_id", "resolved_at", "id"],
        postgresql_where=sa.text("status = 'resolved'"),
        postgresql_include=["handed_off_by_id"],
    )
    op.create_index(
        "ix_handoffs_parked",
        "handoffs",
        ["account_id", "handed_off_by_id"],
        postgresql_where=sa.text("status = 'parked'"),
    )
    for limit in LIMITS:
        check = f"CONSTRAINT ck_accounts_{limit} CHECK ({limit} > 0)"
        op.execute(f"ALTER TABLE accounts ADD COLUMN {limit} bigint {check}")


def downgrade() -> None:
    for limit in reversed(LIMITS):
        op.drop_column("accounts", limit)
    op.drop_index("ix_handoffs_parked", "handoffs")
    op.drop_index("ix_handoffs_resolved_at", "handoffs")
    op.drop_table("handoff_reads")
    op.drop_column("handoffs", "unread_since")


def _create_reads() -> None:
    op.create_table(
        "handoff_reads",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("handoff_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "handoff_id"],
            ["handoffs.account_id", "handoffs.id"],
            name=op.f("fk_handoff_reads_account_id_handoff_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["users.account_id", "users.id"],
            name=op.f("fk_handoff_reads_account_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "user_id", "handoff_id", name=op.f("pk_handoff_reads")),
    )
    own = f"account_id = {SCOPE}"
    op.execute("ALTER TABLE handoff_reads ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE handoff_reads FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT, UPDATE ON handoff_reads TO escalation_app")
    op.execute(f"CREATE POLICY account ON handoff_reads TO escalation_app USING ({own}) WITH CHECK ({own})")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON handoff_reads TO escalation_upkeep")
    op.execute("CREATE POLICY upkeep ON handoff_reads TO escalation_upkeep USING (true) WITH CHECK (true)")
    op.execute("CREATE POLICY owner ON handoff_reads TO CURRENT_USER USING (true) WITH CHECK (true)")
