-- Append several events of one account, as append_one.sql does one. `items` are theirs, numbered from 1 to `count`; the
-- last of each handoff, marked so, is what the handoff shows.
WITH counter AS (
    UPDATE feeds SET head = head + :count, changed_at = clock_timestamp() WHERE account_id = :account RETURNING head
), item AS (
    SELECT counter.head - :count + listed.n AS seq, listed.*
    FROM counter, jsonb_to_recordset(CAST(:items AS jsonb))
        AS listed(n int, last bool, type text, handoff_id uuid, actor_id uuid, note text, unread_for text)
), current AS (
    SELECT cards.id, cards.version, cards.card FROM handoff_cards AS cards
    WHERE cards.account_id = :account AND cards.id = ANY (CAST(:handoffs AS uuid[]))
), event AS (
    INSERT INTO feed_events (account_id, seq, type, handoff_id, handoff_version, actor_id, note, card)
    SELECT :account, item.seq, item.type, item.handoff_id, current.version, item.actor_id, item.note,
        current.card || jsonb_build_object('seq', item.seq)
    FROM item LEFT JOIN current ON current.id = item.handoff_id
), unread AS (
    SELECT item.handoff_id, jsonb_object_agg(
        CASE item.unread_for WHEN 'author' THEN h.handed_off_by_id::text ELSE item.unread_for END,
        item.seq ORDER BY item.seq) AS since
    FROM item JOIN handoffs AS h ON h.account_id = :account AND h.id = item.handoff_id
    WHERE item.unread_for IS NOT NULL GROUP BY item.handoff_id
), shown AS (
    UPDATE handoffs SET seq = item.seq, card = current.card || jsonb_build_object('seq', item.seq),
        unread_since = CASE WHEN unread.since IS NULL THEN unread_since
            ELSE coalesce(unread_since, '{}') || unread.since END
    FROM item JOIN current ON current.id = item.handoff_id LEFT JOIN unread ON unread.handoff_id = current.id
    WHERE item.last AND handoffs.account_id = :account AND handoffs.id = item.handoff_id
)
SELECT counter.head, control.epoch, control.pace FROM counter, feed_control AS control
