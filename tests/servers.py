"""The private servers of a test run, and databases cloned from one migrated template."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from alembic import command

from api import auth
from api.auth import jwts
from deploy.local.servers import Postgres, Redis, forget_libpq
from deploy.production import database
from models import database as db
from models import redis, settings, transaction
from models.account import limits
from models.addresses.postgres import Address
from models.database import migrations
from models.database.roles import Roles, named
from models.feed import head
from tasks import message

TEMPLATE = "template_escalation"


@dataclass
class Servers:
    """One PostgreSQL with a migrated template database, and one Redis."""

    postgres: Postgres
    redis: Redis
    password: str  # of the service's login, and of the owner
    login: str = ""
    owner: str = ""

    @property
    def roles(self) -> Roles:
        """The two roles of every database made here: those of the template."""
        return Roles(named("app", TEMPLATE), named("upkeep", TEMPLATE))

    def create_database(self) -> str:
        """A new migrated database; returns its name."""
        name = f"test_{secrets.token_hex(4)}"
        self._admin(f"CREATE DATABASE {name} OWNER {self.owner} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        self._admin(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")  # rights on a database are not copied
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database and its remaining connections."""
        self._admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def service_url(self, name: str) -> str:
        """The database for the service's own login, under row-level security."""
        return self._url(name, self.login)

    def owner_url(self, name: str) -> str:
        """Return the address of a database for its owner, who is no superuser."""
        return self._url(name, self.owner)

    def _url(self, name: str, user: str) -> str:
        return Address.parse(self.postgres.url(name)).having(user=user, password=self.password).url()

    def environment(self, name: str) -> dict[str, str]:
        """Return the variables that a process of the service needs for that database."""
        return {
            "DATABASE_URL": self.service_url(name),
            "REDIS_URL": self.redis.url,
            "SECRET_KEY": "only-for-tests-" + "0" * 32,
            "WRONG_TOKENS_PER_MINUTE": "1000000",  # all tests are one address
        }

    def _admin(self, statement: str) -> None:
        connection = database.connect(self.postgres.url())
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()


def start(folder: Path) -> Servers:
    """Start both servers and make the template."""
    forget_libpq(os.environ)
    servers = Servers(
        Postgres(folder / "postgres", durable=False), Redis(folder / "redis", durable=False), secrets.token_hex(8)
    )
    servers.postgres.start()
    servers.redis.start()
    database.ensure_database(servers.postgres.url(), TEMPLATE)
    template = servers.postgres.url(TEMPLATE)
    servers.owner = Address.parse(database.owner_url(template, servers.password)).user or ""
    servers.login = Address.parse(database.service_url(template, servers.password)).user or ""
    return servers


def migrate_template(servers: Servers) -> None:
    """Run every migration once, as the template's owner."""
    os.environ["DATABASE_URL"] = servers.owner_url(TEMPLATE)
    forget_process_state()
    command.upgrade(migrations.config(), "head")


def forget_process_state() -> None:
    """Make this process read its settings and connect again, as a fresh one would."""
    if db.engine.cache_info().currsize:
        db.engine().dispose()
    per_process = (settings.settings, db.engine, redis.client, head.heads, limits.limits, transaction._sessions)
    for cached in (*per_process, jwts._keys, message._put):
        cached.cache_clear()
    auth.forget_verified()
