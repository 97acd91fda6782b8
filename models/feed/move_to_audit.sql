-- Move the events up to a number into the account's audit, without their cards: what is deleted is what is inserted.
WITH gone AS (
    DELETE FROM feed_events WHERE account_id = :account AND seq <= :floor
    RETURNING seq, type, handoff_id, actor_id, note, created_at
)
INSERT INTO audit (account_id, at, actor_id, kind, handoff_id, subject, note)
SELECT :account, gone.created_at, gone.actor_id, gone.type, gone.handoff_id, 'event:' || gone.seq, gone.note
FROM gone ORDER BY gone.seq
