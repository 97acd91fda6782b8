"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("claim_lease_seconds", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("claim_lease_seconds > 0", name=op.f("ck_accounts_claim_lease_seconds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "feed_control",
        sa.Column("one_row", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("database_identity", sa.String(length=64), nullable=True),
        sa.Column("pace", sa.Double(), server_default="1", nullable=False),
        sa.CheckConstraint("one_row", name=op.f("ck_feed_control_one_row")),
        sa.CheckConstraint("pace >= 0", name=op.f("ck_feed_control_pace")),
        sa.PrimaryKeyConstraint("one_row", name=op.f("pk_feed_control")),
    )
    op.create_table(
        "feed_events",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "type",
            sa.Enum(
                "handoff.created",
                "handoff.ready",
                "handoff.claimed",
                "handoff.released",
                "handoff.reassigned",
                "handoff.resolved",
                "handoff.withdrawn",
                "handoff.reassessed",
                "handoff.updated",
                "handoff.overdue",
                name="type",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("handoff_id", sa.Uuid(), nullable=False),
        sa.Column("handoff_version", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("card", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("account_id", "seq", name=op.f("pk_feed_events")),
    )
    op.create_index("ix_feed_events_created_at", "feed_events", ["account_id", "created_at"], unique=False)
    op.create_index("ix_feed_events_handoff", "feed_events", ["account_id", "handoff_id", "seq"], unique=False)
    op.create_table(
        "feeds",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("head", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("floor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("0 <= floor AND floor <= head", name=op.f("ck_feeds_floor_head")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_feeds_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_feeds")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "sessions",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=True),
        sa.Column("client", sa.String(length=200), nullable=True),
        sa.Column("asset", sa.String(length=200), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("steps_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id")),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_external_id", "sessions", ["account_id", "external_id"], unique=True)
    op.create_table(
        "users",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "role",
            sa.Enum("viewer", "engineer", "admin", name="role", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_users_account_id")),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_users")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "user_id"], ["users.account_id", "users.id"], name=op.f("fk_api_tokens_account_id_user_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_api_tokens")),
    )
    op.create_index("ix_api_tokens_digest", "api_tokens", ["digest"], unique=True)
    op.create_table(
        "handoffs",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column(
            "intent",
            sa.Enum("escalate", "park", name="intent", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "parked",
                "pending",
                "ready",
                "claimed",
                "resolved",
                "withdrawn",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "priority",
            sa.Enum(
                "low",
                "normal",
                "high",
                "urgent",
                name="priority",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ask", sa.Text(), nullable=True),
        sa.Column("handed_off_by_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("claimed_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_action_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("root_cause", sa.Text(), nullable=True),
        sa.Column("returns", sa.Integer(), nullable=False),
        sa.Column("overdue", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("shown_generation", sa.Integer(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("card", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("search", postgresql.TSVECTOR(), nullable=False),
        sa.CheckConstraint(
            "(status = 'claimed') <= (claimed_by_id IS NOT NULL)", name=op.f("ck_handoffs_claimed_by")
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "claimed_by_id"],
            ["users.account_id", "users.id"],
            name=op.f("fk_handoffs_account_id_claimed_by_id"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "handed_off_by_id"],
            ["users.account_id", "users.id"],
            name=op.f("fk_handoffs_account_id_handed_off_by_id"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "session_id"],
            ["sessions.account_id", "sessions.id"],
            name=op.f("fk_handoffs_account_id_session_id"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "target_id"],
            ["users.account_id", "users.id"],
            name=op.f("fk_handoffs_account_id_target_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_handoffs")),
    )
    op.create_index(
        "ix_handoffs_claimed_at",
        "handoffs",
        ["claimed_at"],
        unique=False,
        postgresql_where=sa.text("status = 'claimed' AND first_action_at IS NULL"),
    )
    op.create_index("ix_handoffs_created_at", "handoffs", ["account_id", "created_at"], unique=False)
    op.create_index("ix_handoffs_handed_off_by", "handoffs", ["account_id", "handed_off_by_id", "id"], unique=False)
    op.create_index(
        "ix_handoffs_open",
        "handoffs",
        ["account_id", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'ready', 'claimed')"),
    )
    op.create_index("ix_handoffs_search", "handoffs", ["search"], unique=False, postgresql_using="gin")
    op.create_index("ix_handoffs_session", "handoffs", ["account_id", "session_id", "id"], unique=False)
    op.create_index(
        "uq_handoffs_open_session",
        "handoffs",
        ["account_id", "session_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'ready', 'claimed')"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["users.account_id", "users.id"],
            name=op.f("fk_idempotency_keys_account_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "session_steps",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "question",
                "action",
                "observation",
                "note",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "worked",
                "failed",
                "partial",
                "unknown",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("author", sa.String(length=200), nullable=True),
        sa.Column("added_by_id", sa.Uuid(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "added_by_id"],
            ["users.account_id", "users.id"],
            name=op.f("fk_session_steps_account_id_added_by_id"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "session_id"],
            ["sessions.account_id", "sessions.id"],
            name=op.f("fk_session_steps_account_id_session_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "session_id", "seq", name=op.f("pk_session_steps")),
    )
    op.create_table(
        "assessments",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("handoff_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column(
            "lane",
            sa.Enum("interactive", "bulk", name="lane", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "succeeded",
                "fallback",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("asked_by_id", sa.Uuid(), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("woken_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("wakes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempt_log", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=True),
        sa.Column("prompt_version", sa.String(length=100), nullable=True),
        sa.Column("input_hash", sa.String(length=64), nullable=True),
        sa.Column("steps_seen", sa.Integer(), nullable=True),
        sa.Column("dropped_evidence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("provider_calls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tokens_in", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tokens_out", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cost", sa.Numeric(precision=14, scale=6), server_default="0", nullable=False),
        sa.Column("error_kind", sa.String(length=64), nullable=True),
        sa.Column("sent", sa.Text(), nullable=True),
        sa.CheckConstraint("(state = 'running') <= (lease_until IS NOT NULL)", name=op.f("ck_assessments_lease")),
        sa.CheckConstraint(
            "(state IN ('succeeded', 'fallback')) <= (content IS NOT NULL)", name=op.f("ck_assessments_content")
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "asked_by_id"],
            ["users.account_id", "users.id"],
            name=op.f("fk_assessments_account_id_asked_by_id"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "handoff_id"],
            ["handoffs.account_id", "handoffs.id"],
            name=op.f("fk_assessments_account_id_handoff_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_assessments")),
    )
    op.create_index(
        "ix_assessments_unfinished",
        "assessments",
        ["state", "woken_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(
        "uq_assessments_generation", "assessments", ["account_id", "handoff_id", "generation"], unique=True
    )
    op.create_table(
        "assessment_feedback",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("assessment_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "rating",
            sa.Enum(
                "helpful", "wrong", "incomplete", name="rating", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "assessment_id"],
            ["assessments.account_id", "assessments.id"],
            name=op.f("fk_assessment_feedback_account_id_assessment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["users.account_id", "users.id"],
            name=op.f("fk_assessment_feedback_account_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "assessment_id", "user_id", name=op.f("pk_assessment_feedback")),
    )


def downgrade() -> None:
    op.drop_table("assessment_feedback")
    op.drop_index("uq_assessments_generation", table_name="assessments")
    op.drop_index(
        "ix_assessments_unfinished",
        table_name="assessments",
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.drop_table("assessments")
    op.drop_table("session_steps")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index(
        "uq_handoffs_open_session",
        table_name="handoffs",
        postgresql_where=sa.text("status IN ('pending', 'ready', 'claimed')"),
    )
    op.drop_index("ix_handoffs_session", table_name="handoffs")
    op.drop_index("ix_handoffs_search", table_name="handoffs", postgresql_using="gin")
    op.drop_index(
        "ix_handoffs_open",
        table_name="handoffs",
        postgresql_where=sa.text("status IN ('pending', 'ready', 'claimed')"),
    )
    op.drop_index("ix_handoffs_handed_off_by", table_name="handoffs")
    op.drop_index("ix_handoffs_created_at", table_name="handoffs")
    op.drop_index(
        "ix_handoffs_claimed_at",
        table_name="handoffs",
        postgresql_where=sa.text("status = 'claimed' AND first_action_at IS NULL"),
    )
    op.drop_table("handoffs")
    op.drop_index("ix_api_tokens_digest", table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_table("users")
    op.drop_index("ix_sessions_external_id", table_name="sessions")
    op.drop_table("sessions")
    op.drop_table("feeds")
    op.drop_index("ix_feed_events_handoff", table_name="feed_events")
    op.drop_index("ix_feed_events_created_at", table_name="feed_events")
    op.drop_table("feed_events")
    op.drop_table("feed_control")
    op.drop_table("accounts")
