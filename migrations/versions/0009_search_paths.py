"""Nothing of a caller's comes before what a function of the owner means.

A temporary table or view is found before every other unless the path says where temporary names stand. A function
that runs as its owner read whatever a caller had put in the place of a table.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FUNCTIONS = (
    "search_handoffs(text)",
    "analyze_history()",
    "similar_handoffs(text, uuid, int, real)",
    "remember_case()",
)


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"ALTER FUNCTION {function} SET search_path = pg_catalog, public, pg_temp")
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    # Who does not own the schema or the database is only warned by PostgreSQL, and the paths hold by themselves.
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    op.execute("""
        DO $$ BEGIN
            EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        END $$
    """)


def downgrade() -> None:
    """Nothing that came before needs the gaps."""
