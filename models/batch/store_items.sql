-- Store what became of items of a batch, given as JSON. SQLAlchemy would send an UPDATE for each.
UPDATE batch_items AS item SET state = moved.state, reason = moved.reason, assessment_id = moved.assessment_id
FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS moved(position int, state text, reason text, assessment_id uuid)
WHERE item.account_id = :account AND item.batch_id = :batch AND item.position = moved.position
