"""The database's roles. Roles belong to the whole PostgreSQL server, so their names carry the database's name.

The policies of the table `accounts` say which two roles this database uses. That stays right when a database is
renamed, restored, or made from another as its template; see docs/decisions/0007.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

from psycopg2 import errors, sql


class Roles(NamedTuple):
    """The two roles that a transaction can assume."""

    app: str  # sees the rows of one account
    upkeep: str  # sees every account: sign-in, the sweep, the command line

    @property
    def service(self) -> str:
        """Return the name of the service's login."""
        prefix, found, rest = self.app.partition(WRITTEN.app)
        return f"escalation_service{rest}" if found and not prefix else f"{self.app[:40]}_service"


# How migrations write them, and how they were named when every database of a server shared them.
WRITTEN = Roles("escalation_app", "escalation_upkeep")

FIND = """
    SELECT max(r.rolname) FILTER (WHERE p.polname = 'account'), max(r.rolname) FILTER (WHERE p.polname = 'upkeep')
    FROM pg_policy AS p JOIN pg_roles AS r ON r.oid = p.polroles[1] JOIN pg_class AS c ON c.oid = p.polrelid
    WHERE c.relname = 'accounts' AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'public')
"""
# Rights in another database. A right on a database itself (dbid 0) is no use.
_SHARED = """
    SELECT FROM pg_shdepend AS d JOIN pg_roles AS r ON r.oid = d.refobjid AND d.refclassid = 'pg_authid'::regclass
    WHERE r.rolname = ANY (%s) AND d.dbid NOT IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


class MayNotError(Exception):
    """Raised when roles are missing that this user may not create."""

    def __init__(self, statements: str) -> None:
        super().__init__(f"the user of DATABASE_URL may not make roles; an administrator has to run: {statements};")


def named(kind: str, database: str, *, distinct: bool = False) -> str:
    """Return `escalation_<kind>_<database>` in letters, digits and underscores, so that it never needs quotes.

    A database's name that is long or has other characters is shortened to them, and distinguished by a hash.
    """
    plain = re.sub(r"[^a-z0-9_]+", "_", database.lower())[:30]
    if plain != database or distinct:
        plain += "_" + hashlib.sha256(database.encode()).hexdigest()[:8]
    return f"escalation_{kind}_{plain}"


def find(cursor: Any) -> Roles | None:
    """Return the roles that this database uses; None before its first migrations."""
    cursor.execute(FIND)
    app, upkeep = cursor.fetchone()
    return Roles(app, upkeep) if app and upkeep else None


def are_shared(cursor: Any, roles: Roles) -> bool:
    """Whether another database of the server uses them as well."""
    cursor.execute(_SHARED, [list(roles)])
    return cursor.fetchone() is not None


def own(cursor: Any) -> Roles:
    """Return names for this database alone. A renamed database may still have those that this one would get."""
    plain = _plain(cursor)
    return _plain(cursor, distinct=True) if are_shared(cursor, plain) else plain


def _plain(cursor: Any, *, distinct: bool = False) -> Roles:
    cursor.execute("SELECT current_database()")
    (database,) = cursor.fetchone()
    return Roles(named("app", database, distinct=distinct), named("upkeep", database, distinct=distinct))


def ensure(cursor: Any, roles: Roles, owner: str | None = None) -> None:
    """Create the roles and let the owner (default: the current user) assume them. May be repeated.

    MayNotError if something is missing and this login may not create it.
    """
    missing = _missing(cursor, roles, owner)
    try:
        for statement in missing:
            cursor.execute(statement)
    except errors.InsufficientPrivilege:
        raise MayNotError("; ".join(statement.as_string(cursor) for statement in missing)) from None


def _missing(cursor: Any, roles: Roles, owner: str | None) -> list[sql.Composable]:
    statements: list[sql.Composable] = []
    for role in roles:
        cursor.execute(
            "SELECT coalesce(%s, current_user), EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [owner, role]
        )
        member, is_there = cursor.fetchone()
        names = {"role": sql.Identifier(role), "member": sql.Identifier(member)}
        if not is_there:
            statements.append(sql.SQL("CREATE ROLE {role} NOLOGIN").format(**names))
        if not is_there or not _may_take_on(cursor, member, role):
            statements.append(sql.SQL("GRANT {role} TO {member}").format(**names))
    return statements


def _may_take_on(cursor: Any, member: str, role: str) -> bool:
    # PostgreSQL before 16 knows no membership without the right to SET ROLE.
    kind = "SET" if cursor.connection.server_version >= 160_000 else "MEMBER"
    cursor.execute("SELECT pg_has_role(%s, %s, %s)", [member, role, kind])
    return bool(cursor.fetchone()[0])


def settle(cursor: Any, owner: str | None = None) -> Roles:
    """Return this database's roles, created if necessary; its own ones if another database uses the same."""
    found = find(cursor)
    chosen = found if found and not (are_shared(cursor, found) and found != _plain(cursor)) else own(cursor)
    ensure(cursor, chosen, owner)
    if found and found != chosen:
        for old, new in zip(found, chosen, strict=True):
            _move(cursor, old, new)
    return chosen


# Every right of a role on what this database holds: the kind of object, its name, and the right.
_RIGHTS = """
    SELECT 'TABLE', c.oid::regclass::text, a.privilege_type
    FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE a.grantee = %(old)s::regrole AND c.relkind <> 'S'
    UNION ALL SELECT 'SEQUENCE', c.oid::regclass::text, a.privilege_type
    FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE a.grantee = %(old)s::regrole AND c.relkind = 'S'
    UNION ALL SELECT 'FUNCTION', p.oid::regprocedure::text, a.privilege_type
    FROM pg_proc AS p, aclexplode(p.proacl) AS a WHERE a.grantee = %(old)s::regrole
    UNION ALL SELECT 'SCHEMA', n.oid::regnamespace::text, a.privilege_type
    FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE a.grantee = %(old)s::regrole
"""
_POLICIES = """
    SELECT quote_ident(polname), polrelid::regclass::text FROM pg_policy WHERE %(old)s::regrole = ANY (polroles)
"""


def _move(cursor: Any, old: str, new: str) -> None:
    """Transfer a role's rights and policies in this database to another role."""
    quoted = {"old": sql.Identifier(old).as_string(cursor)}
    roles = {"old": sql.Identifier(old), "new": sql.Identifier(new)}
    cursor.execute(_POLICIES, quoted)
    for policy, table in cursor.fetchall():
        cursor.execute(sql.SQL(f"ALTER POLICY {policy} ON {table} TO {{new}}").format(**roles))
    cursor.execute(_RIGHTS, quoted)
    for kind, name, right in cursor.fetchall():
        cursor.execute(sql.SQL(f"GRANT {right} ON {kind} {name} TO {{new}}").format(**roles))
        cursor.execute(sql.SQL(f"REVOKE {right} ON {kind} {name} FROM {{old}}").format(**roles))
