"""Handoffs are searched by words that are folded by the service, in the query as in what is searched.

English stems left out what everybody writes ("who", "the"), so that a query of such words found everything. They knew
no accents, no client, asset or person, and no script that is written without spaces. They stay for the search for
similar past cases, which reads a table of its own, so their index goes.
"""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from models.handoff import search

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCOPE = "nullif(current_setting('app.account_id', true), '')::uuid"

# The words of a handoff, its account, and the people it has to do with, who may be called something else tomorrow.
SEARCHED = """
    CREATE FUNCTION searched_words(words tsvector, account uuid, author uuid, target uuid, claimer uuid)
    RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT words || array_to_tsvector(array_remove(ARRAY['account:' || account::text, 'person:' || author::text,
            'person:' || target::text, 'person:' || claimer::text], NULL))
    $$
"""
INDEXED = "searched_words(words, account_id, handed_off_by_id, target_id, claimed_by_id)"


def upgrade() -> None:
    op.add_column("handoffs", sa.Column("words", postgresql.TSVECTOR(), server_default="", nullable=False))
    if not context.is_offline_mode():
        search.index_anew(op.get_bind())
    op.execute(SEARCHED)
    # Whoever writes a handoff writes its index.
    op.execute("REVOKE ALL ON FUNCTION searched_words FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION searched_words TO escalation_app, escalation_upkeep")
    op.create_index("ix_handoffs_words", "handoffs", [sa.text(INDEXED)], postgresql_using="gin")
    op.execute("ALTER INDEX ix_handoffs_words SET (fastupdate = off)")
    op.drop_index("ix_handoffs_search", table_name="handoffs", postgresql_using="gin")
    account = f"('''account:' || ({SCOPE})::text || '''')::tsquery"
    _replace_function("wanted", f"{INDEXED} @@ ({account} && wanted::tsquery)")


def _replace_function(parameter: str, condition: str) -> None:
    op.execute("DROP FUNCTION search_handoffs(text)")
    op.execute(f"""
        CREATE FUNCTION search_handoffs({parameter} text) RETURNS SETOF uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
            SELECT id FROM handoffs WHERE account_id = {SCOPE} AND {condition}
        $$
    """)
    op.execute("REVOKE ALL ON FUNCTION search_handoffs(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION search_handoffs(text) TO escalation_app")


def downgrade() -> None:
    op.create_index("ix_handoffs_search", "handoffs", ["search"], postgresql_using="gin")
    op.execute("ALTER INDEX ix_handoffs_search SET (fastupdate = off)")
    op.drop_index("ix_handoffs_words", table_name="handoffs", postgresql_using="gin")
    op.drop_column("handoffs", "words")  # a parameter of the older function is called so
    account = f"quote_literal('account:' || replace(({SCOPE})::text, '-', ''))::tsquery"
    _replace_function("words", f"search @@ ({account} && websearch_to_tsquery('english', words))")
    op.execute("DROP FUNCTION searched_words")
