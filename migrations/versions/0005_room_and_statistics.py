"""Room for updates on the pages of handoffs, and statistics after a large import."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Plans, also those of foreign keys that open connections keep, are only as good as the statistics. After a large
# import they must not wait for autovacuum.
ANALYZE = """
CREATE FUNCTION analyze_history() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    ANALYZE sessions, session_steps, handoffs, imported_handoffs;
END
$$
"""


def upgrade() -> None:
    op.execute(ANALYZE)
    op.execute("REVOKE ALL ON FUNCTION analyze_history() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION analyze_history() TO escalation_upkeep")
    # A reader of the index would go through the list of what is not sorted in yet, once for each word.
    op.execute("ALTER INDEX ix_handoffs_search SET (fastupdate = off)")
    # Room on each page keeps a handoff's many updates there (HOT), so that its words are not indexed again.
    op.execute("ALTER TABLE handoffs SET (fillfactor = 60)")


def downgrade() -> None:
    op.execute("ALTER TABLE handoffs RESET (fillfactor)")
    op.execute("ALTER INDEX ix_handoffs_search RESET (fastupdate)")
    op.execute("DROP FUNCTION analyze_history()")
