-- Mark the items of a batch whose assessments have ended. Assessments are read without a lock: they never change then.
UPDATE batch_items AS item
SET state = CASE WHEN a.state = 'failed' AND a.error_kind = 'withdrawn' THEN 'skipped' ELSE a.state END,
    reason = a.error_kind
FROM assessments AS a
WHERE item.account_id = :account AND item.batch_id = :batch AND item.state = 'dispatched'
    AND a.account_id = :account AND a.id = item.assessment_id
    AND a.state IN ('succeeded', 'fallback', 'failed')
RETURNING item.state, item.reason, a.tokens_in, a.tokens_out, a.cost
