-- Note up to which event a person has read a handoff that they may see; no row if they may not. `seq` is what is noted now,
-- never less than before, or null if the handoff has had no such event. Before its first event a handoff's number is 0.
WITH found AS (
    SELECT id, coalesce(seq, 0) AS head FROM handoffs
    WHERE account_id = :account AND id = :handoff AND status <> 'discarded'
        AND (:admin OR status <> 'parked' OR handed_off_by_id = :by)
), noted AS (
    INSERT INTO handoff_reads AS before (account_id, user_id, handoff_id, seq)
    SELECT :account, :by, id, :seq FROM found WHERE CAST(:seq AS bigint) <= head
    ON CONFLICT (account_id, user_id, handoff_id) DO UPDATE SET seq = greatest(before.seq, excluded.seq)
    RETURNING seq
)
SELECT found.head, noted.seq FROM found LEFT JOIN noted ON true
