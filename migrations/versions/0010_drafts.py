"""What is parked has a session of its own, the draft of its handoff, until it is escalated.

A ticket had one session, whose words, title and problem everybody saw, also those that were only parked.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Each parked handoff gets a copy of its ticket's session. Which steps were parked and which were there before cannot
# be told apart any more; escalating it adds none twice.
COPY = """
    INSERT INTO sessions (account_id, id, external_id, title, problem, category, client, asset, opened_at,
        steps_count, created_at, draft_of)
    SELECT h.account_id, gen_random_uuid(), s.external_id, s.title, s.problem, s.category, s.client, s.asset,
        s.opened_at, s.steps_count, s.created_at, h.id
    FROM handoffs AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
    WHERE h.status = 'parked'
"""
COPY_STEPS = """
    INSERT INTO session_steps (account_id, session_id, seq, kind, text, outcome, at, author, added_by_id, added_at)
    SELECT t.account_id, draft.id, t.seq, t.kind, t.text, t.outcome, t.at, t.author, t.added_by_id, t.added_at
    FROM sessions AS draft
    JOIN handoffs AS h ON h.account_id = draft.account_id AND h.id = draft.draft_of
    JOIN session_steps AS t ON t.account_id = h.account_id AND t.session_id = h.session_id
"""
POINT = """
    UPDATE handoffs AS h SET session_id = draft.id FROM sessions AS draft
    WHERE draft.account_id = h.account_id AND draft.draft_of = h.id
"""
# Of a ticket that was only parked nothing else is left.
UNUSED = """
    SELECT account_id, id FROM sessions AS s
    WHERE draft_of IS NULL AND EXISTS (
        SELECT FROM sessions AS draft WHERE draft.account_id = s.account_id AND draft.external_id = s.external_id
            AND draft.draft_of IS NOT NULL
    ) AND NOT EXISTS (SELECT FROM handoffs AS h WHERE h.account_id = s.account_id AND h.session_id = s.id)
"""


def upgrade() -> None:
    op.add_column("sessions", sa.Column("draft_of", sa.Uuid(), nullable=True))
    op.create_index(
        "uq_sessions_external_id",
        "sessions",
        ["account_id", "external_id", "draft_of"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.drop_index("ix_sessions_external_id", table_name="sessions")
    for statement in (COPY, COPY_STEPS, POINT):
        op.execute(statement)
    op.execute(f"DELETE FROM session_steps WHERE (account_id, session_id) IN ({UNUSED})")
    op.execute(f"DELETE FROM sessions WHERE (account_id, id) IN ({UNUSED})")
    op.execute("GRANT UPDATE (session_id, seq), DELETE ON session_steps TO escalation_app")
    op.execute("GRANT DELETE ON sessions TO escalation_app")


def downgrade() -> None:
    """A ticket that has nothing but drafts keeps its newest; other parked handoffs join the ticket's session."""
    op.execute("REVOKE UPDATE (session_id, seq), DELETE ON session_steps FROM escalation_app")
    op.execute("REVOKE DELETE ON sessions FROM escalation_app")
    op.execute("""
        UPDATE sessions SET draft_of = NULL WHERE (account_id, id) IN (
            SELECT DISTINCT ON (account_id, external_id) account_id, id FROM sessions
            ORDER BY account_id, external_id, draft_of DESC NULLS FIRST
        )
    """)
    op.execute("""
        UPDATE handoffs AS h SET session_id = ticket.id FROM sessions AS draft, sessions AS ticket
        WHERE draft.account_id = h.account_id AND draft.id = h.session_id AND draft.draft_of IS NOT NULL
            AND ticket.account_id = draft.account_id AND ticket.external_id = draft.external_id
            AND ticket.draft_of IS NULL
    """)
    op.execute("""
        DELETE FROM session_steps AS t USING sessions AS s
        WHERE s.account_id = t.account_id AND s.id = t.session_id AND s.draft_of IS NOT NULL
    """)
    op.execute("DELETE FROM sessions WHERE draft_of IS NOT NULL")
    op.create_index("ix_sessions_external_id", "sessions", ["account_id", "external_id"], unique=True)
    op.drop_index("uq_sessions_external_id", table_name="sessions")
    op.drop_column("sessions", "draft_of")
