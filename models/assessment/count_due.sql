-- How many assessments are due in each lane, counted up to `most`; lanes without one are left out.
SELECT lane, count(*) FROM unnest(CAST(:lanes AS text[])) AS lane, LATERAL (
    SELECT FROM assessments WHERE state = 'queued' AND not_before <= now() AND assessments.lane = lane.lane
    LIMIT :most
) AS due GROUP BY lane
