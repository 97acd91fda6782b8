"""The browsers that people are signed in with, so that signing out ends a login wherever its cookie is."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "logins",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("token_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "token_id"],
            ["api_tokens.account_id", "api_tokens.id"],
            name=op.f("fk_logins_account_id_token_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "user_id", "key", name=op.f("pk_logins")),
    )
    op.create_index("ix_logins_key", "logins", ["key"], unique=True)
    op.create_index("ix_logins_expires_at", "logins", ["expires_at"], unique=False)
    op.execute("ALTER TABLE logins ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE logins FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT, DELETE ON logins TO escalation_upkeep")
    op.execute("CREATE POLICY upkeep ON logins TO escalation_upkeep USING (true) WITH CHECK (true)")
    op.execute("CREATE POLICY owner ON logins TO CURRENT_USER USING (true) WITH CHECK (true)")


def downgrade() -> None:
    op.drop_table("logins")
