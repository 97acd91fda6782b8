"""Models and migrations agree."""

from __future__ import annotations

from alembic import command
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import select

from deploy.production import database
from models.assessment.vocabulary import PastCaseWords
from models.database import migrations
from models.transaction import maintenance
from tests import world as worlds
from tests.conftest import environment
from tests.servers import Servers


def test_models_and_migrations_agree(servers: Servers) -> None:
    name = servers.create_database()
    owner = database.owner_url(servers.postgres.url(name), servers.password)
    with environment(servers.environment(name) | {"DATABASE_URL": owner}):
        command.check(migrations.config())  # raises when they differ
        command.downgrade(migrations.config(), "base")
        database.owner_url(servers.postgres.url(name), servers.password)  # makes roles of its own, no longer those
        command.upgrade(migrations.config(), "head")
        command.check(migrations.config())
    servers.drop_database(name)


def test_migrations_are_numbered_without_gaps() -> None:
    script = ScriptDirectory.from_config(migrations.config())
    numbers = sorted(int(revision.revision) for revision in script.walk_revisions())
    assert numbers == list(range(1, len(numbers) + 1))


def test_what_was_resolved_before_past_cases_had_a_table_is_found(servers: Servers, app: Flask) -> None:
    name = servers.create_database()
    owner = {"DATABASE_URL": servers.owner_url(name)}
    with environment(servers.environment(name)):
        world = worlds.create(app.test_client())
        made = world.junior.hand_off("T-1")["id"]
        world.senior.post(f"/handoffs/{made}/claim")
        world.senior.post(f"/handoffs/{made}/resolve", {"resolution": "Removed the new driver."})
    with environment(servers.environment(name) | owner):
        command.downgrade(migrations.config(), "0007")
        command.upgrade(migrations.config(), "head")
    with environment(servers.environment(name)), maintenance() as session:
        assert [str(row) for row in session.scalars(select(PastCaseWords.handoff_id))] == [made]
    servers.drop_database(name)


def test_what_was_handed_off_before_words_were_kept_is_found_by_them(servers: Servers, app: Flask) -> None:
    name = servers.create_database()
    with environment(servers.environment(name)):
        world = worlds.create(app.test_client())
        steps = [{"kind": "note", "text": "Schraubenschlüssel", "author": "Zoë"}]
        made = world.junior.hand_off("T-1", client="Nordwind", steps=steps)["id"]
        world.junior.hand_off("T-2", steps=[])
    with environment(servers.environment(name) | {"DATABASE_URL": servers.owner_url(name)}):
        command.downgrade(migrations.config(), "0012")
        command.upgrade(migrations.config(), "head")
    with environment(servers.environment(name)):
        answer = world.viewer.get("/handoffs", query_string={"q": '"schraubenschlussel" nordwind zoe HP-2 junior'})
        assert [item["id"] for item in answer.json["items"]] == [made]
    servers.drop_database(name)


def test_what_was_parked_before_there_were_drafts_gets_one(servers: Servers, app: Flask) -> None:
    name = servers.create_database()
    owner = {"DATABASE_URL": servers.postgres.url(name)}
    with environment(servers.environment(name)):
        world = worlds.create(app.test_client())
        world.senior.hand_off("T-1")
        parked = [world.junior.hand_off(ticket, intent="park")["id"] for ticket in ("T-1", "T-2", "T-2")]
        before = world.viewer.get("/sessions/T-1").json
    with environment(servers.environment(name) | owner):
        command.downgrade(migrations.config(), "0008")
        command.upgrade(migrations.config(), "head")
    with environment(servers.environment(name)):
        assert world.viewer.get("/sessions/T-1").json == before
        assert world.viewer.get("/sessions/T-2").status_code == 404
        for each in parked:
            ticket = world.junior.get(f"/handoffs/{each}").json["session"]["external_id"]
            assert len(world.junior.get(f"/sessions/{ticket}?handoff={each}").json["steps"]) == 2
        assert world.junior.post(f"/handoffs/{parked[2]}/escalate").status_code == 202
        assert len(world.viewer.get("/sessions/T-2").json["steps"]) == 2
    servers.drop_database(name)
