-- Whether a person of the account in scope can be given work. Locks the person's row as a foreign key does, until the
-- transaction ends: a deletion or a change of role takes a stronger lock and so waits for it.
CREATE FUNCTION may_work(person uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM users
        WHERE account_id = current_setting('app.account_id')::uuid AND id = person
            AND role IN ('engineer', 'admin') AND deleted_at IS NULL FOR KEY SHARE;
    RETURN FOUND;
END
$$;
