"""Owner, roles and login of a database: each installation has its own on a shared server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from alembic import command
from alembic.util.exc import CommandError
from psycopg2 import errors

from deploy.local.servers import Postgres
from deploy.production import database
from deploy.production.database import SetUpError, connect, ensure_database, owner_url, service_url
from models.addresses.postgres import Address
from models.database import migrations, roles
from models.database.roles import MayNotError, Roles
from models.transaction import maintenance
from tests.conftest import environment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server


@pytest.fixture
def empty(server: Postgres, request: pytest.FixtureRequest) -> str:
    """The administrator's address of a database of the test's own."""
    name = f"own_{abs(hash(request.node.name)) % 10**8}"
    ensure_database(server.url(), name)
    ensure_database(server.url(), name)
    return server.url(name)


def run(url: str, statement: str) -> list[tuple[str, ...]]:
    with closing(connect(url)) as link, link.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def migrate(owner: str) -> None:
    with environment({"DATABASE_URL": owner, "REDIS_URL": "redis://127.0.0.1:1/0", "SECRET_KEY": "x" * 32}):
        command.upgrade(migrations.config(), "head")


def install(admin: str, password: str) -> str:
    """As `make run` does it; the service's address."""
    migrate(owner_url(admin, f"owner-{password}"))
    return service_url(admin, password)


def names(url: str) -> Roles:
    with closing(connect(url)) as link, link.cursor() as cursor:
        found = roles.find(cursor)
    assert found
    return found


def works(service: str) -> bool:
    """Return whether the service's code can work with this address."""
    with environment({"DATABASE_URL": service, "REDIS_URL": "redis://127.0.0.1:1/0"}), maintenance() as session:
        return session.connection().exec_driver_sql("SELECT count(*) FROM accounts").scalar_one() == 0


def test_the_login_has_no_rights_until_it_takes_on_a_role(empty: str) -> None:
    service = install(empty, "secret")
    with pytest.raises(errors.InsufficientPrivilege):
        run(service, "SELECT FROM handoffs")
    mine = names(empty)
    run(service, f"SET ROLE {mine.app}; SELECT FROM handoffs")
    run(service, f"SET ROLE {mine.upkeep}; SELECT FROM handoffs")
    assert works(service)


def test_making_it_again_sets_the_new_password_and_only_a_new_one(empty: str) -> None:
    old, new = install(empty, "old"), service_url(empty, "n%w:/@ ü")
    run(new, "SELECT 1")
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        run(old, "SELECT 1")
    stored = "SELECT rolpassword FROM pg_authid WHERE rolname LIKE 'escalation_service_own%' ORDER BY 1"
    before = run(empty, stored)
    assert service_url(empty, "n%w:/@ ü") == new
    assert run(empty, stored) == before


def test_two_installations_on_a_server_leave_each_other_alone(server: Postgres) -> None:
    admins = []
    for name in ("first", "second"):
        ensure_database(server.url(), name)
        admins.append(server.url(name))
    services = [install(admin, f"password-{n}") for n, admin in enumerate(admins)]
    assert [service_url(admin, f"password-{n}") for n, admin in enumerate(admins)] == services
    assert all(map(works, services))
    assert not {*names(admins[0])} & {*names(admins[1])}
    intruder = Address.parse(services[0]).having(dbname="second").url()
    for role in names(admins[1]):
        with pytest.raises(errors.InsufficientPrivilege):
            run(intruder, f"SET ROLE {role}")
    run(intruder, f"SET ROLE {names(admins[0]).upkeep}")
    with pytest.raises(errors.InsufficientPrivilege):
        run(intruder, f"SET ROLE {names(admins[0]).upkeep}; SELECT FROM accounts")


@pytest.mark.parametrize("name", ["Capital", 'a "quoted" one', "it's 100% ü: a/b@c?d#e", "x" * 63, "Ünïcode ∂"])
def test_any_name_of_a_database_will_do(server: Postgres, name: str) -> None:
    ensure_database(server.url(), name)
    admin = Address.parse(server.url()).having(dbname=name).url()
    service = install(admin, "secret")
    assert works(service)
    for role in (*names(admin), names(admin).service):
        assert len(role) < 64
        assert role.replace("_", "").isalnum()
        assert role == role.lower()


def test_names_that_are_alike_are_told_apart() -> None:
    alike = ["ab", "Ab", "a b", "a_b", "x" * 62, "x" * 63, "ü", "ä"]
    assert len({roles.named("app", name) for name in alike}) == len(alike)


def test_a_copy_gets_roles_of_its_own_and_its_original_keeps_them(server: Postgres, empty: str) -> None:
    original = install(empty, "first")
    before = names(empty)
    run(server.url(), f"CREATE DATABASE copied TEMPLATE {Address.parse(empty).database}")
    copied = install(server.url("copied"), "second")
    assert service_url(empty, "first") == original
    assert names(empty) == before
    assert not {*names(server.url("copied"))} & {*before}
    assert works(original)
    assert works(copied)
    granted = "SELECT FROM pg_policy WHERE '{}'::regrole = ANY (polroles)"
    assert run(server.url("copied"), granted.format(before.app)) == []
    with pytest.raises(errors.InsufficientPrivilege):
        run(Address.parse(original).having(dbname="copied").url(), f"SET ROLE {before.app}; SELECT FROM handoffs")
    with pytest.raises(errors.InsufficientPrivilege):
        run(copied, f"SET ROLE {names(copied).app}; CREATE TEMPORARY TABLE t ()")


def test_a_renamed_database_keeps_its_roles_and_one_with_its_old_name_gets_others(server: Postgres) -> None:
    ensure_database(server.url(), "moving")
    service = install(server.url("moving"), "first")
    before = names(server.url("moving"))
    run(server.url(), "ALTER DATABASE moving RENAME TO moved")
    renamed = service_url(server.url("moved"), "first")
    assert renamed == Address.parse(service).having(dbname="moved").url()
    ensure_database(server.url(), "moving")
    newcomer = install(server.url("moving"), "second")
    assert names(server.url("moved")) == before
    assert not {*names(server.url("moving"))} & {*before}
    assert works(renamed)
    assert works(newcomer)


def test_a_login_of_somebody_else_is_left_alone(server: Postgres) -> None:
    ensure_database(server.url(), "taken")
    run(server.url(), "CREATE ROLE escalation_service_taken LOGIN PASSWORD 'theirs'")
    with pytest.raises(SetUpError, match="escalation_service_taken is there already"):
        install(server.url("taken"), "ours")
    theirs = Address.parse(server.url()).having(user="escalation_service_taken", password="theirs").url()
    assert run(theirs, "SELECT 1") == [(1,)]


def test_what_a_superuser_owned_is_the_owners_from_now_on(empty: str) -> None:
    migrate(empty)
    service = install(empty, "secret")
    owner = Address.parse(owner_url(empty, "owner-secret"))
    assert works(service)
    assert run(empty, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == [(owner.user,)]
    assert run(empty, "SELECT DISTINCT proowner::regrole::text FROM pg_proc WHERE prosecdef") == [(owner.user,)]
    assert run(owner.url(), "SELECT count(*) FROM accounts") == [(0,)]  # its policies are the new owner's
    attributes = "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    assert run(owner.url(), attributes) == [(False, False, False)]


@pytest.fixture
def plain(server: Postgres, empty: str) -> str:
    """The address of an owner who may not make roles."""
    name = Address.parse(empty).database or ""
    run(empty, f"CREATE ROLE plain_{name} LOGIN PASSWORD 'plain'; ALTER DATABASE {name} OWNER TO plain_{name}")
    return Address.parse(empty).having(user=f"plain_{name}", password="plain").url()


def said(error: BaseException) -> str:
    """The statements in a message for an administrator."""
    return str(error).partition("has to run: ")[2]


def test_an_owner_who_may_not_make_roles_is_told_what_to_run_and_then_works(empty: str, plain: str) -> None:
    with pytest.raises(CommandError) as raised:
        migrate(plain)
    assert "\n" not in str(raised.value)
    run(empty, said(raised.value))
    migrate(plain)
    with pytest.raises(MayNotError) as refused:
        service_url(plain, "chosen")
    run(empty, said(refused.value).replace("…", "chosen"))
    service = service_url(plain, "chosen")
    assert works(service)


def test_the_command_says_in_one_line_what_is_missing(empty: str, plain: str) -> None:
    def answer(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        call = [sys.executable, "-m", "deploy.production.database", *arguments]
        return subprocess.run(call, cwd=ROOT, env=variables, capture_output=True, text=True)

    for done, expected in (
        (answer(), "DATABASE_URL is missing"),
        (answer(DATABASE_URL="mysql://secret"), "must begin with postgresql://"),
        (answer(DATABASE_URL=plain), "SERVICE_PASSWORD is missing"),
        (answer(DATABASE_URL=plain, SERVICE_PASSWORD="x"), "CREATE ROLE"),
        (answer("owner", DATABASE_URL=plain), "ADMIN_DATABASE_URL is missing"),
        (answer("owner", DATABASE_URL=plain, ADMIN_DATABASE_URL=empty), "has to be escalation_owner_"),
    ):
        assert done.returncode == 1
        assert expected in done.stderr
        assert done.stderr.count("\n") == 1
        assert "secret" not in done.stderr


def test_compose_keeps_ticket_text_out_of_the_servers_log_as_make_run_does() -> None:
    compose = (ROOT / "deploy/production/compose.yaml").read_text()
    for name, value in database.QUIET.items():
        assert f"-c {name}={value}" in compose
