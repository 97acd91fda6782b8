"""The private servers of a test run, and databases made from one migrated template."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from sqlalchemy.engine import make_url

from api import auth, jwts
from deploy import database
from deploy.servers import Postgres, Redis
from models import db, head, limits, migrations, redis, settings, transaction
from tasks import message

TEMPLATE = "template_escalation"


@dataclass
class Servers:
    """One PostgreSQL with a migrated template database, and one Redis."""

    postgres: Postgres
    redis: Redis
    password: str

    def create_database(self) -> str:
        """A new migrated database; returns its name."""
        name = f"test_{secrets.token_hex(4)}"
        self._admin(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, and whoever is still connected to it."""
        self._admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def service_url(self, name: str) -> str:
        """The database for the service's own login, under row-level security."""
        url = make_url(self.postgres.url(name)).set(username=database.SERVICE_ROLE, password=self.password)
        return url.render_as_string(hide_password=False)

    def environment(self, name: str) -> dict[str, str]:
        """What a process of the service needs to use that database."""
        return {
            "DATABASE_URL": self.service_url(name),
            "REDIS_URL": self.redis.url,
            "SECRET_KEY": "only-for-tests-" + "0" * 32,
        }

    def _admin(self, statement: str) -> None:
        connection = database.connect(self.postgres.url())
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()


def start(folder: Path) -> Servers:
    """Start both servers and migrate the template."""
    servers = Servers(
        Postgres(folder / "postgres", durable=False), Redis(folder / "redis", durable=False), secrets.token_hex(8)
    )
    servers.postgres.start()
    servers.redis.start()
    servers._admin(f"CREATE DATABASE {TEMPLATE}")
    return servers


def migrate_template(servers: Servers) -> None:
    """Run every migration once. The environment must name the template as its owner."""
    command.upgrade(migrations.config(), "head")
    database.service_url(servers.postgres.url(TEMPLATE), servers.password)


def forget_process_state() -> None:
    """Let this process read its settings anew and connect anew, as a fresh one would."""
    if db.engine.cache_info().currsize:
        db.engine().dispose()
    per_process = (settings.settings, db.engine, redis.client, head.heads, limits.limits, transaction._sessions)
    for cached in (*per_process, jwts._keys, message._put):
        cached.cache_clear()
    auth.forget_verified()
