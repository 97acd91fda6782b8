-- The ratings that people gave to assessments in a period, by the assessor that wrote them.
SELECT a.source, count(*) FILTER (WHERE f.rating = 'helpful') AS helpful,
    count(*) FILTER (WHERE f.rating = 'wrong') AS wrong,
    count(*) FILTER (WHERE f.rating = 'incomplete') AS incomplete
FROM assessment_feedback AS f
JOIN assessments AS a ON a.account_id = f.account_id AND a.id = f.assessment_id
WHERE f.account_id = :account AND f.created_at >= :since AND f.created_at < :until
GROUP BY a.source ORDER BY count(*) DESC, a.source
