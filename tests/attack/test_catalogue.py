"""PostgreSQL's catalogue offers the service's login no way to gain rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from deploy.production import database
from tests.servers import Servers

# Each finds what must not be. %(owner)s, %(login)s and %(roles)s are names.
WAYS = {
    "a function that runs as its owner finds a caller's names first": """
        SELECT oid::regprocedure::text FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace AND NOT
            coalesce((SELECT bool_or(c ~ '^search_path=pg_catalog, .*pg_temp$') FROM unnest(proconfig) AS c), false)
    """,
    "a function may be called by everybody": """
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')
    """,
    "the next function may be called by everybody": """
        SELECT %(owner)s WHERE NOT EXISTS (
            SELECT FROM pg_default_acl AS d WHERE d.defaclrole = %(owner)s::regrole AND d.defaclobjtype = 'f'
              AND d.defaclnamespace = 0 AND NOT EXISTS (SELECT FROM aclexplode(d.defaclacl) AS a WHERE a.grantee = 0))
    """,
    "a right on the database": """
        SELECT r || ' ' || p FROM unnest(%(roles)s || %(login)s::text || 'public'::text) AS r,
               unnest('{TEMPORARY,CREATE}'::text[]) AS p WHERE has_database_privilege(r, current_database(), p)
    """,
    "a right to create in the schema": """
        SELECT r FROM unnest(%(roles)s || %(login)s::text || 'public'::text) AS r
        WHERE has_schema_privilege(r, 'public', 'CREATE')
    """,
    "an attribute of a role": """
        SELECT rolname FROM pg_roles WHERE rolname = ANY (%(roles)s || %(login)s::text || %(owner)s::text)
          AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR (rolbypassrls AND rolname <> %(owner)s)
               OR (rolcanlogin AND rolname = ANY (%(roles)s)) OR (rolinherit AND rolname = %(login)s))
    """,
    "a membership": """
        SELECT m.rolname || ' in ' || r.rolname FROM pg_auth_members AS a
        JOIN pg_roles AS m ON m.oid = a.member JOIN pg_roles AS r ON r.oid = a.roleid
        WHERE (m.rolname = ANY (%(roles)s || %(login)s::text || %(owner)s::text) AND NOT r.rolname = ANY (%(roles)s))
           OR (m.rolname = ANY (%(roles)s || %(login)s::text) AND a.admin_option)
    """,
    "something that belongs to nobody's owner": """
        SELECT oid::regclass::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relowner <> %(owner)s::regrole
        UNION ALL SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proowner <> %(owner)s::regrole
        UNION ALL SELECT datname FROM pg_database
        WHERE datname = current_database() AND datdba <> %(owner)s::regrole
    """,
    "a right on a table that no statement needs": """
        SELECT g.grantee::regrole || ' ' || g.privilege_type || ' ' || c.relname
        FROM pg_class AS c, aclexplode(c.relacl) AS g
        WHERE c.relnamespace = 'public'::regnamespace AND g.grantee <> c.relowner
          AND (g.grantee = 0 OR g.is_grantable OR NOT g.privilege_type = ANY ('{SELECT,INSERT,UPDATE,DELETE}'))
    """,
    "a right of the login by itself": """
        SELECT c.relname FROM pg_class AS c, aclexplode(c.relacl) AS g WHERE g.grantee = %(login)s::regrole
        UNION ALL SELECT p.proname FROM pg_proc AS p, aclexplode(p.proacl) AS g WHERE g.grantee = %(login)s::regrole
    """,
    "a view that reads as its owner": """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
          AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
    """,
    "a right to change the server": """
        SELECT parname FROM pg_parameter_acl
        UNION ALL SELECT lanname FROM pg_language WHERE lanname NOT IN ('internal', 'c', 'sql', 'plpgsql')
        UNION ALL SELECT fdwname FROM pg_foreign_data_wrapper
    """,
}

# Something of each kind, made by an administrator.
GAPS = {
    "a function that runs as its owner finds a caller's names first": "ALTER FUNCTION search_handoffs(text)"
    " SET search_path = pg_catalog, public",
    "a function may be called by everybody": "GRANT EXECUTE ON FUNCTION remember_case() TO PUBLIC",
    "the next function may be called by everybody": "ALTER DEFAULT PRIVILEGES FOR ROLE {owner}"
    " GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
    "a right on the database": "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC",
    "a right to create in the schema": "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "an attribute of a role": "ALTER ROLE {owner} CREATEROLE",
    "a membership": "GRANT pg_read_all_data TO {login}",
    "something that belongs to nobody's owner": "CREATE TABLE foreign_one ()",
    "a right on a table that no statement needs": "GRANT TRIGGER ON handoffs TO {app}",
    "a right of the login by itself": "GRANT SELECT ON handoffs TO {login}",
    "a view that reads as its owner": "CREATE VIEW all_of_it AS SELECT * FROM handoffs",
    "a right to change the server": "GRANT SET ON PARAMETER session_replication_role TO {login}",
}


@pytest.fixture
def administrator(servers: Servers, committed: str) -> Iterator[Any]:
    """A cursor of the administrator, whose changes are taken back."""
    with closing(database.connect(servers.postgres.url(committed))) as connection:
        connection.autocommit = False
        yield connection.cursor()
        connection.rollback()


def found(cursor: Any, servers: Servers, way: str) -> list[str]:
    names = {"owner": servers.owner, "login": servers.login, "roles": list(servers.roles)}
    cursor.execute(WAYS[way], names)
    return [name for (name,) in cursor.fetchall()]


def test_the_login_finds_no_way_up(administrator: Any, servers: Servers) -> None:
    assert {way: names for way in WAYS if (names := found(administrator, servers, way))} == {}


@pytest.mark.parametrize("way", WAYS)
def test_the_walk_notices_a_gap(administrator: Any, servers: Servers, committed: str, way: str) -> None:
    names = {"owner": servers.owner, "login": servers.login, "app": servers.roles.app, "database": committed}
    administrator.execute(GAPS[way].format(**names))
    assert found(administrator, servers, way)


ATTACK = """
    CREATE FUNCTION pg_temp.climb() RETURNS uuid LANGUAGE plpgsql AS
        $$ BEGIN RAISE NOTICE 'ran as %', current_user; RETURN gen_random_uuid(); END $$;
    CREATE TEMPORARY VIEW {table} AS SELECT pg_temp.climb() AS id, pg_temp.climb() AS handoff_id,
        '11111111-1111-1111-1111-111111111111'::uuid AS account_id, 9 AS cases, '{{}}'::jsonb AS shares,
        array_to_tsvector(ARRAY['account:11111111111111111111111111111111'])
            || to_tsvector('english', 'copier') AS search,
        array_to_tsvector(ARRAY['account:11111111111111111111111111111111'])
            || to_tsvector('english', 'copier') AS said, gen_random_uuid() AS session_id,
        to_tsvector('english', 'copier') AS opening;
    GRANT SELECT ON pg_temp.{table} TO PUBLIC;
    GRANT EXECUTE ON FUNCTION pg_temp.climb() TO PUBLIC
"""
CALLS = [
    "SELECT * FROM search_handoffs('copier')",
    f"SELECT * FROM similar_handoffs('copier', '{'1' * 32}', 5, 0, 45)",
]


@pytest.fixture
def attacker(servers: Servers, committed: str) -> Iterator[Any]:
    """The service's login with the role of an account."""
    with closing(psycopg2.connect(servers.service_url(committed))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"SET ROLE {servers.roles.app}")
        cursor.execute("SELECT set_config('app.account_id', '11111111-1111-1111-1111-111111111111', false)")
        yield cursor


@pytest.mark.parametrize("table", ["handoffs", "past_cases", "vocabularies"])
def test_a_temporary_view_in_the_place_of_a_table_is_not_read_by_the_owners_functions(
    servers: Servers, committed: str, attacker: Any, table: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        attacker.execute(ATTACK.format(table=table))
    # Where the right to temporary tables is granted again, the paths of the functions hold by themselves.
    with closing(database.connect(servers.postgres.url(committed))) as administrator:
        administrator.cursor().execute(f"GRANT TEMPORARY ON DATABASE {committed} TO PUBLIC")
    attacker.execute(ATTACK.format(table=table))
    for call in CALLS:
        with suppress(psycopg2.Error):
            attacker.execute(call)
    assert not [notice for notice in attacker.connection.notices if f"ran as {servers.owner}" in notice]


def test_a_trigger_function_of_the_owner_serves_no_table_of_a_caller(
    servers: Servers, committed: str, attacker: Any
) -> None:
    with closing(database.connect(servers.postgres.url(committed))) as administrator:
        administrator.cursor().execute(f"GRANT TEMPORARY ON DATABASE {committed} TO PUBLIC")
    attacker.execute("CREATE TEMPORARY TABLE mine (account_id uuid, id uuid, session_id uuid, search tsvector)")
    with pytest.raises(errors.InsufficientPrivilege):
        attacker.execute("CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION remember_case()")
