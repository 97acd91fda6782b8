-- The cards of these handoffs.
SELECT id, card FROM handoff_cards WHERE account_id = :account AND id = ANY (CAST(:handoffs AS uuid[]))
