-- The handoffs of the account in scope that match a tsquery. `@@` is not leakproof, so under row-level security no index
-- would serve it. This function runs as the owner and is the policy itself: it reads the account from the scope.
CREATE FUNCTION search_handoffs(wanted text) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT id FROM handoffs
    WHERE account_id = nullif(current_setting('app.account_id', true), '')::uuid
        AND searched_words(words, account_id, handed_off_by_id, target_id, claimed_by_id)
            @@ (('''account:' || (nullif(current_setting('app.account_id', true), '')::uuid)::text || '''')::tsquery
                && wanted::tsquery)
$$;
