-- Append one event: number it, write the handoff's card, store both. Returns the state of the feed, and the handoff in
-- full if asked to `show` it. The type is given, or is the one that the change before it in the same message left in
-- app.event (see with_event); for '' and 'none' nothing is numbered.
--
-- `unread_for` names who has not read the handoff since, whatever they had read (see models/handoff/reading.py).
--
-- An event of a handoff that does not exist has no version, which the table refuses: hence the LEFT JOIN.
WITH counter AS (
    UPDATE feeds SET head = head + 1, changed_at = clock_timestamp()
    WHERE account_id = :account AND coalesce(:type, current_setting('app.event')) NOT IN ('', 'none')
    RETURNING head
), current AS (
    SELECT cards.id, cards.version, cards.card || jsonb_build_object('seq', counter.head) AS card,
        CASE WHEN :show THEN (cards.whole || jsonb_build_object('seq', counter.head))::text END AS whole
    FROM handoff_cards AS cards, counter WHERE cards.account_id = :account AND cards.id = :handoff
), event AS (
    INSERT INTO feed_events (account_id, seq, type, handoff_id, handoff_version, actor_id, note, card)
    SELECT :account, counter.head, coalesce(:type, current_setting('app.event')), :handoff, current.version,
        CAST(:by AS uuid), CAST(:note AS text), current.card
    FROM counter LEFT JOIN current ON true
), shown AS (
    UPDATE handoffs SET seq = counter.head, card = current.card,
        unread_since = CASE
            WHEN CAST(:unread_for AS text) IS NULL OR :unread_for = 'author' AND handed_off_by_id = CAST(:by AS uuid)
            THEN unread_since
            ELSE coalesce(unread_since, '{}') || jsonb_build_object(
                CASE :unread_for WHEN 'author' THEN handed_off_by_id::text ELSE :unread_for END, counter.head) END
    FROM counter, current
    WHERE handoffs.account_id = :account AND handoffs.id = current.id
)
SELECT counter.head, control.epoch, control.pace, current.whole, current.version,
    coalesce(:type, current_setting('app.event')) AS event
FROM feed_control AS control LEFT JOIN counter ON true LEFT JOIN current ON true
