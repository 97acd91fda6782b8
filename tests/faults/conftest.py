"""Servers for the faults alone, which may be killed, and the stand-in provider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers as private
from tests.conftest import environment
from tests.faults import site as sites
from tests.faults.site import Site
from tests.servers import Servers


@pytest.fixture(scope="package")
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """PostgreSQL and Redis that nobody else uses."""
    made = private.start(tmp_path_factory.mktemp("doomed"))
    try:
        with environment(made.environment(private.TEMPLATE) | {"DATABASE_URL": made.postgres.url(private.TEMPLATE)}):
            private.migrate_template(made)
        yield made
    finally:
        made.postgres.stop()
        made.redis.stop()


@pytest.fixture(scope="package")
def provider() -> Iterator[str]:
    """The address of a model that misbehaves on demand."""
    with sites.provider() as address:
        yield address


@pytest.fixture
def settings() -> dict[str, str]:
    """The settings of a site that a test changes."""
    return {}


@pytest.fixture
def site(doomed: Servers, provider: str, tmp_path: Path, settings: dict[str, str]) -> Iterator[Site]:
    """A service with gunicorn and no worker yet."""
    with sites.site(doomed, tmp_path, provider, **settings) as made:
        yield made
