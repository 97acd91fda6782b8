-- Whether a person has never read a handoff of somebody else, or has not read one since it was unread for them again. The
-- subquery is a lookup by key for each row: a join may read all that they have ever read.
(coalesce((SELECT seq FROM handoff_reads
    WHERE account_id = handoffs.account_id AND user_id = :by AND handoff_id = handoffs.id), -1)
    < greatest(CASE WHEN handoffs.handed_off_by_id = :by THEN -1 ELSE 0 END,
        (handoffs.unread_since ->> CAST(:by AS text))::bigint, (handoffs.unread_since ->> 'all')::bigint))
