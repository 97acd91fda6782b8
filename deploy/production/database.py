"""Set up what migrations need and what follows them: the database, its owner, and the login of the service.

`python -m deploy.production.database owner`   before the migrations, with an administrator's address
`python -m deploy.production.database`         after them
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from typing import Any

import psycopg2
from psycopg2 import errors, extensions, sql

from models.addresses.postgres import Address, AddressError
from models.database import connections, roles
from models.database.roles import Roles

# Statements and errors hold ticket text, so PostgreSQL's log leaves out every statement, and the subject of every
# error. The service itself logs the kind of each error and where it occurred.
QUIET = {
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_duration": "off",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class SetUpError(Exception):
    """Raised when the database cannot be set up. The text is the reason, in one line."""


def connect(url: str) -> extensions.connection:
    """Open a connection in autocommit mode."""
    connection = connections.connect(Address.parse(url))
    connection.autocommit = True
    return connection


def ensure_database(admin_url: str, name: str) -> None:
    """Create the database if it does not exist."""
    with closing(connect(admin_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone() is None:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name))
            )


def owner_url(admin_url: str, password: str) -> str:
    """Return the owner's URL of the administrator's database, creating what is missing.

    The owner is no superuser and may create no roles: functions run as their owner, so a subverted one must not be
    able to do what a superuser can. It takes over what the administrator owned there, as in a database of an earlier
    version.
    """
    with closing(connect(admin_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        (database,) = cursor.fetchone() or ("",)
        owner = roles.named("owner", database)
        _set_login(cursor, owner, password, "BYPASSRLS")  # pg_dump refuses tables under forced row-level security
        _quieten(cursor, owner)
        _give_to(cursor, owner, database)
        roles.ensure(cursor, roles.find(cursor) or roles.own(cursor), owner)
    return Address.parse(admin_url).having(user=owner, password=password, dbname=database).url()


def service_url(url: str, password: str) -> str:
    """Return the URL of the same database for the service's own login, which cannot bypass row-level security.

    Creates the login, or resets its password if ours does not work. Safe to run twice. Raise MayNotError with the
    statements that an administrator has to run if the user of `url` may not, and SetUpError if the login's name is
    taken.
    """
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        (database,) = cursor.fetchone() or ("",)
        mine = roles.settle(cursor, _owner_of_tables(cursor))
        service = Address.parse(url).having(user=mine.service, password=password, dbname=database)
        if not _serves(service, mine):
            _make_service(cursor, mine, password)
        if lines := _quieten(cursor, mine.service):
            print(f"PostgreSQL's log may hold ticket text unless an administrator runs: {lines}", file=sys.stderr)
        _warn_of_superuser(cursor)
        # A copied or restored database does not have the rights that were set on its original itself.
        cursor.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
    return service.url()


def _warn_of_superuser(cursor: Any) -> None:
    owner = _owner_of_tables(cursor)
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [owner])
    if cursor.fetchone() == (True,):
        print(
            f"The tables belong to {owner}, a superuser, as whom functions run; see “The database's owner” in"
            " docs/how-to/set-up-the-database.md",
            file=sys.stderr,
        )


def _owner_of_tables(cursor: Any) -> str:
    cursor.execute("""
        SELECT coalesce((SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'accounts'),
                        pg_get_userbyid(datdba)) FROM pg_database WHERE datname = current_database()
    """)
    return str((cursor.fetchone() or [""])[0])


def _serves(service: Address, mine: Roles) -> bool:
    """Whether the login works with its password and has both roles."""
    try:
        with closing(connections.connect(service)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT bool_and(pg_has_role(role, 'MEMBER')) FROM unnest(%s) AS role", [list(mine)])
            return bool((cursor.fetchone() or [False])[0])
    except psycopg2.Error:
        return False


def _make_service(cursor: Any, mine: Roles, password: str) -> None:
    cursor.execute(
        "SELECT pg_has_role(rolname, %s, 'MEMBER') FROM pg_roles WHERE rolname = %s", [mine.app, mine.service]
    )
    found = cursor.fetchone()
    if found and not found[0]:
        raise SetUpError(f"the login {mine.service} is there already and has no part in this database")
    names = {"login": sql.Identifier(mine.service), "roles": sql.SQL(", ").join(map(sql.Identifier, mine))}
    grant = sql.SQL("GRANT {roles} TO {login}").format(**names)
    try:
        _set_login(cursor, mine.service, password, "NOINHERIT")
        cursor.execute(grant)
    except errors.InsufficientPrivilege:
        make = sql.SQL("CREATE ROLE {login} LOGIN NOINHERIT PASSWORD '…'; ").format(**names)
        lines = (sql.SQL("") if found else make) + grant
        raise roles.MayNotError(lines.as_string(cursor)) from None


def _set_login(cursor: Any, role: str, password: str, rights: str) -> None:
    """Create the login, or set its password. The server, and so its log, sees only the hash that it stores."""
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    verb = "CREATE" if cursor.fetchone() is None else "ALTER"
    hashed = extensions.encrypt_password(password, role, cursor.connection, "scram-sha-256")
    cursor.execute(sql.SQL(f"{verb} ROLE {{}} LOGIN {rights} PASSWORD %s").format(sql.Identifier(role)), [hashed])


def _quieten(cursor: Any, login: str) -> str:
    """Exclude what this login sends from PostgreSQL's log. Return the statements that somebody else has to run."""
    cursor.execute(
        "SELECT name FROM pg_settings WHERE name = ANY (%s) AND NOT EXISTS (SELECT FROM pg_db_role_setting"
        " WHERE setrole = %s::regrole AND setdatabase = 0 AND name || '=' || (%s::jsonb ->> name) = ANY (setconfig))",
        [list(QUIET), sql.Identifier(login).as_string(cursor), json.dumps(QUIET)],
    )
    role = sql.Identifier(login)
    left = [
        sql.SQL(f"ALTER ROLE {{}} SET {name} = '{QUIET[name]}'").format(role).as_string(cursor)
        for (name,) in cursor.fetchall()
    ]
    try:
        for statement in left:
            cursor.execute(statement)
    except errors.InsufficientPrivilege:
        return "; ".join(left) + ";"
    return ""


# Whatever needs a new owner besides the database; indexes, constraints and triggers follow their tables.
_OWNED = """
    SELECT 'TABLE', c.oid::regclass::text FROM pg_class AS c
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relnamespace = 'public'::regnamespace
      AND c.relowner <> %(owner)s::regrole
    UNION ALL SELECT 'FUNCTION', p.oid::regprocedure::text FROM pg_proc AS p
    WHERE p.pronamespace = 'public'::regnamespace AND p.proowner <> %(owner)s::regrole
"""
_OWNERS_POLICIES = "SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'owner'"


def _give_to(cursor: Any, owner: str, database: str) -> None:
    """Give the database and the contents of its schema to the owner. Does nothing if that was done already."""
    new, quoted = sql.Identifier(owner), {"owner": sql.Identifier(owner).as_string(cursor)}
    cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", [database])
    if cursor.fetchone() == (owner,):
        return
    cursor.execute(_OWNED, quoted)
    for kind, name in cursor.fetchall():
        cursor.execute(sql.SQL(f"ALTER {kind} {name} OWNER TO {{}}").format(new))
    cursor.execute(_OWNERS_POLICIES)
    for (table,) in cursor.fetchall():
        cursor.execute(sql.SQL(f"ALTER POLICY owner ON {table} TO {{}}").format(new))
    # Last, so that a run that was killed starts over.
    cursor.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database), new))


def main(arguments: list[str]) -> None:
    """Read ADMIN_DATABASE_URL, an administrator's address if there is one, and DATABASE_URL, the owner's."""
    admin, owner = os.environ.get("ADMIN_DATABASE_URL"), _required("DATABASE_URL")
    given = Address.parse(owner)
    if arguments == ["owner"]:
        made = Address.parse(owner_url(_required("ADMIN_DATABASE_URL"), given.parts.get("password", "")))
        if made.user != given.user:
            raise SetUpError(f"the user of DATABASE_URL has to be {made.user}")
    else:
        service_url(admin or owner, _required("SERVICE_PASSWORD"))


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise SetUpError(f"{name} is missing")
    return value


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (SetUpError, roles.MayNotError, AddressError, psycopg2.Error) as error:
        sys.exit(f"deploy.production.database: {error}".strip())
