-- For how many seconds the oldest transaction that writes to a feed has been running; 0 if there is none. To be sent by
-- the login itself, because the roles of a transaction may not see when others began theirs.
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - a.xact_start)), 0)::float8 AS seconds
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.relation = 'feeds'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
