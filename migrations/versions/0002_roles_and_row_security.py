"""The two roles of the service, row-level security behind every account, and the search that needs it."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Tables of an account, and what the app role may do with them.
OWNED = {
    "users": "SELECT",
    "feeds": "SELECT, INSERT, UPDATE",
    "feed_events": "SELECT, INSERT, DELETE",
    "sessions": "SELECT, INSERT, UPDATE",
    "session_steps": "SELECT, INSERT",
    "handoffs": "SELECT, INSERT, UPDATE",
    "assessments": "SELECT, INSERT, UPDATE",
    "assessment_feedback": "SELECT, INSERT, UPDATE",
    "idempotency_keys": "SELECT, INSERT, UPDATE",
    "api_tokens": None,
}
SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"

# `@@` is not leakproof, so under row-level security no index would serve it. This function runs as the owner and is
# the policy itself: it reads the account from the transaction's scope and nothing else.
SEARCH = f"""
CREATE FUNCTION search_handoffs(words text) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    SELECT id FROM handoffs
    WHERE account_id = {SCOPE}
      AND search @@ (quote_literal('account:' || replace(({SCOPE})::text, '-', ''))::tsquery
                     && websearch_to_tsquery('english', words))
$$
"""


def upgrade() -> None:
    for role in ("escalation_app", "escalation_upkeep"):  # made by env.py, where an administrator has not made them
        op.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
    for table, rights in OWNED.items():
        _protect(table, "account_id", rights)
    _protect("accounts", "id", "SELECT")
    op.execute("GRANT SELECT ON feed_control TO escalation_app")
    op.execute("GRANT SELECT ON alembic_version TO escalation_upkeep")  # readiness
    op.execute("GRANT SELECT, UPDATE ON feed_control TO escalation_upkeep")
    op.execute("INSERT INTO feed_control (epoch) VALUES (substr(md5(gen_random_uuid()::text), 1, 8))")
    op.execute(SEARCH)
    op.execute("REVOKE ALL ON FUNCTION search_handoffs(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION search_handoffs(text) TO escalation_app")


def _protect(table: str, account_column: str, rights: str | None) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    if rights:
        op.execute(f"GRANT {rights} ON {table} TO escalation_app")
        op.execute(
            f"CREATE POLICY account ON {table} TO escalation_app"
            f" USING ({account_column} = {SCOPE}) WITH CHECK ({account_column} = {SCOPE})"
        )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO escalation_upkeep")
    op.execute(f"CREATE POLICY upkeep ON {table} TO escalation_upkeep USING (true) WITH CHECK (true)")
    # FORCE binds the owner too; migrations and the searches run as the owner.
    op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


def downgrade() -> None:
    op.execute("DROP FUNCTION search_handoffs(text)")
    for table in (*OWNED, "accounts"):
        for policy in ("account", "upkeep", "owner"):
            op.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"REVOKE ALL ON {table} FROM escalation_app, escalation_upkeep")
    op.execute("REVOKE ALL ON feed_control FROM escalation_app, escalation_upkeep")
    op.execute("REVOKE ALL ON alembic_version FROM escalation_upkeep")
    op.execute("DELETE FROM feed_control")
