"""The database itself checks that a caller still has the access that a web process has in its memory.

Both functions lock the person's row as a foreign key does, until the transaction ends. A deletion and a change of
role take a stronger lock and so wait for it.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FUNCTIONS = ("refuse_changed_caller(uuid, uuid, text)", "may_work(uuid)")


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION refuse_changed_caller(caller uuid, token uuid, its_role text) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
        DECLARE
            own CONSTANT uuid := current_setting('app.account_id');
        BEGIN
            PERFORM FROM users
                WHERE account_id = own AND id = caller AND role = its_role AND deleted_at IS NULL FOR KEY SHARE;
            -- A caller without a token of ours proved by other means who they are.
            IF NOT FOUND OR (token <> caller AND NOT EXISTS (
                SELECT FROM api_tokens WHERE account_id = own AND id = token AND user_id = caller
                    AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())))
            THEN
                RAISE EXCEPTION 'the caller is no longer who they were found to be' USING ERRCODE = 'RF401';
            END IF;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION may_work(person uuid) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
        BEGIN
            PERFORM FROM users
                WHERE account_id = current_setting('app.account_id')::uuid AND id = person
                    AND role IN ('engineer', 'admin') AND deleted_at IS NULL FOR KEY SHARE;
            RETURN FOUND;
        END $$
    """)
    for function in FUNCTIONS:
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO escalation_app")


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
