-- Refresh the planner's statistics after an import, for the login of the service, which owns no table.
CREATE FUNCTION analyze_history() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    ANALYZE sessions, session_steps, handoffs, imported_handoffs, past_cases;
END
$$;
