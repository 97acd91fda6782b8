-- Raise RF401 unless the caller still has the access that a web process remembers. Locks the person's row as may_work.
CREATE FUNCTION refuse_changed_caller(caller uuid, token uuid, its_role text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    own CONSTANT uuid := current_setting('app.account_id');
BEGIN
    PERFORM FROM users
        WHERE account_id = own AND id = caller AND role = its_role AND deleted_at IS NULL FOR KEY SHARE;
    -- A caller without a token of ours was authenticated in another way, such as a JWT.
    IF NOT FOUND OR (token <> caller AND NOT EXISTS (
        SELECT FROM api_tokens WHERE account_id = own AND id = token AND user_id = caller
            AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())))
    THEN
        RAISE EXCEPTION 'the caller is no longer who they were found to be' USING ERRCODE = 'RF401';
    END IF;
END
$$;
