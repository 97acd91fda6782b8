-- A handoff in full.
SELECT whole::text AS text, version, seq FROM handoff_cards WHERE account_id = :account AND id = :handoff
