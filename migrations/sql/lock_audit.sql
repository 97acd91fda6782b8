-- Let the writers of an account's audit go one after another, until the end of the transaction. An advisory lock: no row
-- of any table is locked, so that intake, moves and the feed never wait for it.
CREATE FUNCTION lock_audit(account uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('audit ' || account, 0));
END
$$;
