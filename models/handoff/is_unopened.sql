-- Whether a person has not read an event that made a handoff unread for them alone.
(coalesce((SELECT seq FROM handoff_reads
    WHERE account_id = handoffs.account_id AND user_id = :by AND handoff_id = handoffs.id), -1)
    < (handoffs.unread_since ->> CAST(:by AS text))::bigint)
