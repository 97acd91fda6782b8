"""The schema: tables, roles with row-level security behind every account, functions, the first epoch.

It stands for the fourteen migrations of version 0.1.0, whose last one had its number.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = None
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).parents[1] / "sql"
SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"

# The rights of the role that sees one account. The one that sees all may read and write every row.
OF_ONE_ACCOUNT = {
    "accounts": "SELECT",
    "assessment_feedback": "SELECT, INSERT, UPDATE",
    "assessments": "SELECT, INSERT, UPDATE",
    "batch_items": "SELECT, INSERT, UPDATE",
    "batches": "SELECT, INSERT, UPDATE",
    "feed_events": "SELECT, INSERT, DELETE",
    "feeds": "SELECT, INSERT, UPDATE",
    "handoffs": "SELECT, INSERT, UPDATE",
    "idempotency_keys": "SELECT, INSERT, UPDATE",
    "import_positions": "SELECT, INSERT, UPDATE",
    "imported_handoffs": "SELECT, INSERT",
    "session_steps": "SELECT, INSERT, DELETE, UPDATE (session_id, seq)",
    "sessions": "SELECT, INSERT, UPDATE, DELETE",
    "users": "SELECT",
}
OF_ALL_ACCOUNTS = {"api_tokens": "", "logins": "SELECT, INSERT, DELETE", "past_cases": "", "vocabularies": ""}
TABLES = (
    *("assessment_feedback", "past_cases", "logins", "imported_handoffs", "batch_items", "assessments"),
    *("session_steps", "idempotency_keys", "handoffs", "batches", "api_tokens", "vocabularies", "users", "sessions"),
    *("import_positions", "feeds", "feed_events", "feed_control", "accounts"),
)
CALLERS = {
    "analyze_history": "escalation_upkeep",
    "may_work": "escalation_app",
    "refuse_changed_caller": "escalation_app",
    "remember_case": "",
    "search_handoffs": "escalation_app",
    "searched_words": "escalation_app, escalation_upkeep",  # whoever writes a handoff writes its index
    "similar_handoffs": "escalation_app",
}


def upgrade() -> None:
    for role in ("escalation_app", "escalation_upkeep"):  # made by env.py, where an administrator has not made them
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
    op.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    _create_function("searched_words")  # an index uses it
    _create_tables()
    _set_storage()
    for name in CALLERS:
        if name != "searched_words":
            _create_function(name)
    _remember_resolved_handoffs()
    for table in (*OF_ONE_ACCOUNT, *OF_ALL_ACCOUNTS):
        _protect(table)
    op.execute("GRANT SELECT ON feed_control TO escalation_app")
    op.execute("GRANT SELECT, UPDATE ON feed_control TO escalation_upkeep")
    op.execute("GRANT SELECT ON alembic_version TO escalation_upkeep")  # readiness
    op.execute("INSERT INTO feed_control (epoch) VALUES (substr(md5(gen_random_uuid()::text), 1, 8))")


def _create_function(name: str) -> None:
    op.execute((FUNCTIONS / f"{name}.sql").read_text())
    op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    if CALLERS[name]:
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {CALLERS[name]}")


def _set_storage() -> None:
    # Room in the pages for the next versions of rows that are updated often.
    op.execute("ALTER TABLE feeds SET (fillfactor = 50)")
    op.execute("ALTER TABLE handoffs SET (fillfactor = 60)")
    # The words of a case are only read when it is compared.
    op.execute("ALTER TABLE past_cases SET (toast_tuple_target = 128)")
    # Each search would read the list of entries that are not in the index yet.
    for index in ("ix_handoffs_words", "ix_past_cases_said"):
        op.execute(f"ALTER INDEX {index} SET (fastupdate = off)")


def _remember_resolved_handoffs() -> None:
    for event, is_resolved in (
        ("INSERT", "NEW.status = 'resolved'"),
        ("UPDATE OF status", "OLD.status <> 'resolved' AND NEW.status = 'resolved'"),
    ):
        op.execute(
            f"CREATE TRIGGER remember_case_{event.split()[0].lower()} AFTER {event} ON handoffs"
            f" FOR EACH ROW WHEN ({is_resolved}) EXECUTE FUNCTION remember_case()"
        )


def _protect(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    if rights := OF_ONE_ACCOUNT.get(table):
        own = f"{'id' if table == 'accounts' else 'account_id'} = {SCOPE}"
        op.execute(f"GRANT {rights} ON {table} TO escalation_app")
        op.execute(f"CREATE POLICY account ON {table} TO escalation_app USING ({own}) WITH CHECK ({own})")
    rights = OF_ALL_ACCOUNTS.get(table) or "SELECT, INSERT, UPDATE, DELETE"
    op.execute(f"GRANT {rights} ON {table} TO escalation_upkeep")
    op.execute(f"CREATE POLICY upkeep ON {table} TO escalation_upkeep USING (true) WITH CHECK (true)")
    # FORCE binds the owner too; migrations and the searches run as the owner.
    op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


def _create_tables() -> None:
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
        "import_positions",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("file_digest", sa.String(length=64), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_import_positions_account_id")),
        sa.PrimaryKeyConstraint("account_id", "file_digest", name=op.f("pk_import_positions")),
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
        sa.Column("draft_of", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id")),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_sessions")),
    )
    op.create_index(
        "uq_sessions_external_id",
        "sessions",
        ["account_id", "external_id", "draft_of"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
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
        "vocabularies",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("shares", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_vocabularies_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_vocabularies")),
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
        "batches",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("filter", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "paused",
                "completed",
                "cancelled",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("paused_reason", sa.String(length=64), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("started_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("driven_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("fallback", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("cost_ceiling", sa.Numeric(precision=14, scale=6), nullable=True),
        sa.Column("rate", sa.Double(), nullable=True),
        sa.Column("rate_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rate_done", sa.Integer(), nullable=False),
        sa.CheckConstraint("0 <= done AND done <= cursor AND cursor <= total", name=op.f("ck_batches_progress")),
        sa.CheckConstraint("succeeded + fallback + failed + skipped = done", name=op.f("ck_batches_sum")),
        sa.ForeignKeyConstraint(
            ["account_id", "started_by_id"],
            ["users.account_id", "users.id"],
            name=op.f("fk_batches_account_id_started_by_id"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_batches_account_id")),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_batches")),
    )
    op.create_index(
        "ix_batches_moving",
        "batches",
        ["driven_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running') OR done < cursor"),
    )
    op.create_index(
        "uq_batches_unfinished",
        "batches",
        ["account_id", "identity"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running', 'paused')"),
    )
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
        sa.Column("words", postgresql.TSVECTOR(), server_default="", nullable=False),
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
    op.create_index(
        "ix_handoffs_created_at",
        "handoffs",
        ["account_id", "created_at"],
        unique=False,
        postgresql_include=[
            "id",
            "status",
            "generation",
            "escalated_at",
            "ready_at",
            "claimed_at",
            "first_action_at",
        ],
    )
    op.create_index(
        "ix_handoffs_escalated_at",
        "handoffs",
        ["account_id", "escalated_at"],
        unique=False,
        postgresql_where=sa.text("escalated_at IS NOT NULL"),
    )
    op.create_index("ix_handoffs_handed_off_by", "handoffs", ["account_id", "handed_off_by_id", "id"], unique=False)
    op.create_index(
        "ix_handoffs_open",
        "handoffs",
        ["account_id", "id"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'ready', 'claimed')"),
    )
    op.create_index("ix_handoffs_session", "handoffs", ["account_id", "session_id", "id"], unique=False)
    op.create_index(
        "ix_handoffs_words",
        "handoffs",
        [sa.literal_column("searched_words(words, account_id, handed_off_by_id, target_id, claimed_by_id)")],
        unique=False,
        postgresql_using="gin",
    )
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
        "ix_assessments_queued_at",
        "assessments",
        ["account_id", "queued_at"],
        unique=False,
        postgresql_include=["handoff_id", "generation", "state"],
    )
    op.create_index(
        "ix_assessments_unfinished",
        "assessments",
        ["state", "lane", "not_before"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(
        "uq_assessments_generation", "assessments", ["account_id", "handoff_id", "generation"], unique=True
    )
    op.create_table(
        "batch_items",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("handoff_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "dispatched",
                "succeeded",
                "fallback",
                "failed",
                "skipped",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
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
        unique=False,
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
    op.create_index("ix_logins_expires_at", "logins", ["expires_at"], unique=False)
    op.create_index("ix_logins_key", "logins", ["key"], unique=True)
    op.create_table(
        "past_cases",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("handoff_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("said", postgresql.TSVECTOR(), nullable=False),
        sa.Column("opening", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "handoff_id"],
            ["handoffs.account_id", "handoffs.id"],
            name=op.f("fk_past_cases_account_id_handoff_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "handoff_id", name=op.f("pk_past_cases")),
    )
    op.create_index("ix_past_cases_said", "past_cases", ["said"], unique=False, postgresql_using="gin")
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
    for table in TABLES:
        op.drop_table(table)
    for name in CALLERS:
        op.execute(f"DROP FUNCTION {name}")
    op.execute("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC")
    op.execute("REVOKE ALL ON alembic_version FROM escalation_upkeep")
    for role in ("escalation_app", "escalation_upkeep"):
        op.execute(f"REVOKE USAGE ON SCHEMA public FROM {role}")
