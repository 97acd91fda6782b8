"""Batches with their items, and what was loaded from files."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = {
    "batches": "SELECT, INSERT, UPDATE",
    "batch_items": "SELECT, INSERT, UPDATE",
    "imported_handoffs": "SELECT, INSERT",
    "import_positions": "SELECT, INSERT, UPDATE",
}
SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"


def _states(*names: str) -> sa.Enum:
    return sa.Enum(*names, name="state", native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("filter", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column(
            "state", _states("queued", "running", "paused", "completed", "cancelled", "failed"), nullable=False
        ),
        sa.Column("paused_reason", sa.String(length=64), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("started_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("driven_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in (
                "total",
                "cursor",
                "done",
                "succeeded",
                "fallback",
                "failed",
                "skipped",
            )
        ),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("cost_ceiling", sa.Numeric(precision=14, scale=6), nullable=True),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.Column("rate_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rate_done", sa.Integer(), nullable=False),
        sa.CheckConstraint("0 <= done AND done <= cursor AND cursor <= total", name=op.f("ck_batches_progress")),
        sa.CheckConstraint("succeeded + fallback + failed + skipped = done", name=op.f("ck_batches_sum")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_batches_account_id")),
        sa.ForeignKeyConstraint(
            ["account_id", "started_by_id"],
            ["users.account_id", "users.id"],
            name=op.f("fk_batches_account_id_started_by_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_batches")),
    )
    op.create_index(
        "uq_batches_unfinished",
        "batches",
        ["account_id", "identity"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running', 'paused')"),
    )
    op.create_index(
        "ix_batches_moving",
        "batches",
        ["driven_at"],
        postgresql_where=sa.text("state IN ('queued', 'running') OR done < cursor"),
    )
    op.create_table(
        "batch_items",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("handoff_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            _states("waiting", "dispatched", "succeeded", "fallback", "failed", "skipped"),
            nullable=False,
        ),
        sa.Column("assessment_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.CheckConstraint(
            "(state = 'dispatched') <= (assessment_id IS NOT NULL)", name=op.f("ck_batch_items_assessment")
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "batch_id"],
            ["batches.account_id", "batches.id"],
            name=op.f("fk_batch_items_account_id_batch_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "batch_id", "position", name=op.f("pk_batch_items")),
    )
    op.create_index(
        "ix_batch_items_dispatched",
        "batch_items",
        ["account_id", "batch_id"],
        postgresql_where=sa.text("state = 'dispatched'"),
    )
    op.create_table(
        "imported_handoffs",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("handoff_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "handoff_id"],
            ["handoffs.account_id", "handoffs.id"],
            name=op.f("fk_imported_handoffs_account_id_handoff_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "handoff_id", name=op.f("pk_imported_handoffs")),
    )
    op.create_index("uq_imported_handoffs_key", "imported_handoffs", ["account_id", "key"], unique=True)
    op.create_table(
        "import_positions",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("file_digest", sa.String(length=64), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_import_positions_account_id")),
        sa.PrimaryKeyConstraint("account_id", "file_digest", name=op.f("pk_import_positions")),
    )
    for table, rights in TABLES.items():
        _protect(table, rights)


def _protect(table: str, rights: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"GRANT {rights} ON {table} TO escalation_app")
    op.execute(
        f"CREATE POLICY account ON {table} TO escalation_app"
        f" USING (account_id = {SCOPE}) WITH CHECK (account_id = {SCOPE})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO escalation_upkeep")
    op.execute(f"CREATE POLICY upkeep ON {table} TO escalation_upkeep USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
