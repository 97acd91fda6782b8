-- Accounts whose number of past cases has changed by a tenth (and ten) since their words were counted.
SELECT past.account_id FROM (
    SELECT account_id, count(*) AS cases FROM past_cases GROUP BY account_id
) AS past LEFT JOIN vocabularies USING (account_id)
WHERE abs(past.cases - coalesce(vocabularies.cases, 0)) > 10 + coalesce(vocabularies.cases, 0) / 10
ORDER BY past.account_id LIMIT :most
