-- Copy the words of a resolved handoff into past_cases. A trigger, so that no writer can forget it; the words of a
-- resolved handoff never change afterwards. What was said is looked up, title and problem are compared.
CREATE FUNCTION remember_case() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO past_cases (account_id, handoff_id, session_id, said, opening)
    SELECT NEW.account_id, NEW.id, NEW.session_id, NEW.search,
        setweight(to_tsvector('english', s.title), 'A') || to_tsvector('english', left(s.problem, 2000))
    FROM sessions AS s WHERE s.account_id = NEW.account_id AND s.id = NEW.session_id
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
