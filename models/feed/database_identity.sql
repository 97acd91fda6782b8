-- A name for this database that survives a restart, but not a restore or a failover. A restore of files or a failover
-- begins a new timeline, another cluster has another identifier, and a dump loaded beside the old database has another
-- oid. The timeline comes from the WAL, since the control file shows the old one until the first checkpoint.
SELECT system_identifier || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
    || '.' || (SELECT oid FROM pg_database WHERE datname = current_database()) AS identity
FROM pg_control_system()
