"""Add service accounts, names of tokens and a limit of model tokens; hide other accounts' people from administration.

Processes of the former version go on working.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"
ADMINISTERED = {"accounts": "id", "users": "account_id", "api_tokens": "account_id", "logins": "account_id"}


def upgrade() -> None:
    # The check reads the people once.
    op.execute(
        "ALTER TABLE users ADD COLUMN kind text DEFAULT 'person' NOT NULL"
        " CONSTRAINT ck_users_kind CHECK (kind IN ('person', 'service'))"
    )
    op.add_column("api_tokens", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("accounts", sa.Column("model_tokens_per_day", sa.BigInteger(), nullable=True))
    # A transaction across accounts that has taken the scope of one sees no others in these tables.
    for table, column in ADMINISTERED.items():
        own = f"{SCOPE} IS NULL OR {column} = {SCOPE}"
        op.execute(
            f"CREATE POLICY one_account ON {table} AS RESTRICTIVE TO escalation_upkeep"
            f" USING ({own}) WITH CHECK ({own})"
        )
    op.execute("GRANT EXECUTE ON FUNCTION refuse_changed_caller TO escalation_upkeep")


def downgrade() -> None:
    op.execute("REVOKE EXECUTE ON FUNCTION refuse_changed_caller FROM escalation_upkeep")
    for table in ADMINISTERED:
        op.execute(f"DROP POLICY one_account ON {table}")
    op.drop_column("accounts", "model_tokens_per_day")
    op.drop_column("api_tokens", "name")
    op.drop_column("users", "kind")
