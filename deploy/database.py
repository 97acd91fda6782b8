"""What the database needs around its migrations: itself, and the login the service uses."""

from __future__ import annotations

import os
import sys
from contextlib import closing

import psycopg2
from psycopg2 import errors, sql
from sqlalchemy.engine import URL, make_url

SERVICE_ROLE = "escalation_service"
# Made by the migrations. The service may take on either, and has no rights of its own.
GRANTED_ROLES = ("escalation_app", "escalation_upkeep")


def connect(url: str | URL) -> psycopg2.extensions.connection:
    """A connection that commits every statement by itself."""
    plain = make_url(url).set(drivername="postgresql")
    connection = psycopg2.connect(plain.render_as_string(hide_password=False), connect_timeout=10)
    connection.autocommit = True
    return connection


def ensure_database(admin_url: str, name: str) -> None:
    """Create the database unless it is there."""
    with closing(connect(admin_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def service_url(owner_url: str, password: str) -> str | None:
    """The same database for the service's own login, which cannot get around row-level security.

    Makes the login or resets its password. None when the owner may not do that. May run any number of times.
    """
    role, granted = sql.Identifier(SERVICE_ROLE), sql.SQL(", ").join(map(sql.Identifier, GRANTED_ROLES))
    with closing(connect(owner_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [SERVICE_ROLE])
        verb = sql.SQL("CREATE" if cursor.fetchone() is None else "ALTER")
        try:
            cursor.execute(sql.SQL("{} ROLE {} LOGIN NOINHERIT PASSWORD %s").format(verb, role), [password])
            cursor.execute(sql.SQL("GRANT {} TO {}").format(granted, role))
        except errors.InsufficientPrivilege:
            return None
    service = make_url(owner_url).set(username=SERVICE_ROLE, password=password)
    return service.render_as_string(hide_password=False)


if __name__ == "__main__":
    # After the migrations, with the owner's DATABASE_URL: makes the service's login with SERVICE_PASSWORD.
    if service_url(os.environ["DATABASE_URL"], os.environ["SERVICE_PASSWORD"]) is None:
        sys.exit("the user of DATABASE_URL may not create roles")
