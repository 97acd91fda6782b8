"""The service's own login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import errors

from deploy.database import connect, ensure_database, service_url
from deploy.servers import Postgres


@pytest.fixture(scope="module")
def owner_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Postgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        ensure_database(server.url(), "service")
        ensure_database(server.url(), "service")
        url = server.url("service")
        run(url, "CREATE ROLE escalation_app; CREATE ROLE escalation_upkeep")
        run(url, "CREATE TABLE handoffs (); GRANT SELECT ON handoffs TO escalation_app")
        run(url, "CREATE ROLE plain LOGIN PASSWORD 'plain'")
        yield url


def run(url: str, statement: str) -> None:
    with closing(connect(url)) as link, link.cursor() as cursor:
        cursor.execute(statement)


def test_the_login_has_no_rights_until_it_takes_on_a_role(owner_url: str) -> None:
    url = service_url(owner_url, "secret")
    assert url is not None
    with pytest.raises(errors.InsufficientPrivilege):
        run(url, "SELECT FROM handoffs")
    run(url, "SET ROLE escalation_app; SELECT FROM handoffs")
    run(url, "SET ROLE escalation_upkeep")


def test_making_it_again_sets_the_new_password(owner_url: str) -> None:
    old, new = service_url(owner_url, "old"), service_url(owner_url, "n%w:/@ ü")
    assert old is not None
    assert new is not None
    run(new, "SELECT 1")
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        run(old, "SELECT 1")


def test_an_owner_who_may_not_create_roles_gets_none(owner_url: str) -> None:
    plain = owner_url.replace(owner_url.split("@")[0], "postgresql+psycopg2://plain:plain")
    assert service_url(plain, "secret") is None
