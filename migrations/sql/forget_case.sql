-- Take a reopened handoff out of past_cases, with its vector: it is no past case while it is open. A trigger, as the one
-- that remembers it. The case is locked first, as the statement that writes its vector does, so that neither waits for the other.
CREATE FUNCTION forget_case() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM past_cases WHERE account_id = NEW.account_id AND handoff_id = NEW.id FOR NO KEY UPDATE;
    DELETE FROM past_case_vectors WHERE account_id = NEW.account_id AND handoff_id = NEW.id;
    DELETE FROM past_cases WHERE account_id = NEW.account_id AND handoff_id = NEW.id;
    RETURN NULL;
END
$$;
