-- The case of a handoff: its session, the steps that are worth reading, and the most similar past cases. What was
-- retracted is not read, nor what resolved this very session before: it has not held.
--
-- Of a long session the first and last steps are read and the latest known failures between, before any text is: a
-- session can have 16 MB of it. The numbers of steps have no gaps. similar_handoffs() reads the account from the
-- transaction's scope; its few rows are looked up one by one, since a join might read all of the account.
WITH subject AS MATERIALIZED (
    SELECT h.session_id, s.title, s.problem, h.reason, h.ask, s.category, s.client, s.asset, s.steps_count, (
        SELECT count(*) FROM session_steps AS gone
        WHERE gone.account_id = s.account_id AND gone.session_id = s.id AND gone.retracted_at IS NOT NULL
    ) AS steps_retracted,
        (SELECT name FROM users WHERE account_id = h.account_id AND id = h.handed_off_by_id) AS author,
        (SELECT language FROM accounts WHERE id = h.account_id) AS language,
        (SELECT model_tokens_per_day FROM accounts WHERE id = h.account_id) AS tokens_per_day, (
        SELECT json_agg(json_build_array(t.seq, t.kind, t.text, t.outcome, t.at, t.author, t.answers) ORDER BY t.seq)
        FROM session_steps AS t
        WHERE t.account_id = s.account_id AND t.session_id = s.id AND t.retracted_at IS NULL AND (
            s.steps_count <= CAST(:first AS int) + :failed + :last OR t.seq <= :first OR t.seq > s.steps_count - :last
            OR t.seq = ANY (ARRAY(
                SELECT other.seq FROM session_steps AS other
                WHERE other.account_id = s.account_id AND other.session_id = s.id
                    AND other.outcome IN ('failed', 'partial') AND other.retracted_at IS NULL
                    AND other.seq > :first AND other.seq <= s.steps_count - :last
                ORDER BY other.seq DESC LIMIT :failed)))
    ) AS steps
    FROM handoffs AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
    WHERE h.account_id = :account AND h.id = :handoff
)
SELECT subject.*, (
    SELECT json_agg(json_build_array(near.id, past.title, past.problem, past.resolution, past.root_cause, near.score,
            past.resolved_at)
        ORDER BY near.score DESC, near.id DESC)
    FROM similar_handoffs(left(subject.title || E'\n' || subject.problem, :searched), :handoff, :most, :least,
        :compared) AS near
    CROSS JOIN LATERAL (
        SELECT s.title, s.problem, h.resolution, h.root_cause, h.resolved_at
        FROM handoffs AS h JOIN sessions AS s ON s.account_id = h.account_id AND s.id = h.session_id
        WHERE h.account_id = :account AND h.id = near.id AND h.session_id <> subject.session_id OFFSET 0
    ) AS past
) AS past FROM subject
