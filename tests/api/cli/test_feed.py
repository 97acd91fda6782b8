"""`flask feed`: doctor, tail, prune, rotate-epoch, pace; and the epoch that follows the database."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from models import feed
from models.account import ApiToken
from models.feed import head
from models.redis import redis_key
from models.transaction import maintenance, transaction
from tests import world as worlds
from tests.api.feed.feeds import cursor, epoch, forget_hints, poll
from tests.servers import Servers
from tests.stack import Stack, running
from tests.world import World


def _run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["feed", *arguments])


def test_the_doctor_finds_a_whole_feed_well(app: Flask, world: World, other_world: World) -> None:
    made = world.junior.hand_off("T-1")
    poll(world.viewer, cursor(world.viewer))
    world.senior.post(f"/handoffs/{made['id']}/claim")
    result = _run(app, "doctor", "--account", str(world.account_id))
    assert result.exit_code == 0, result.output
    assert "floor 0, head 2, 2 events, hint 2: well" in result.output
    assert str(other_world.account_id) not in result.output
    assert str(other_world.account_id) in _run(app, "doctor").output


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("DELETE FROM feed_events WHERE account_id = :a AND seq = 1", "1 events where floor and head imply 2"),
        ("UPDATE feed_events SET seq = 7 WHERE account_id = :a AND seq = 1", "the events run from 2 to 7"),
        ("UPDATE handoffs SET seq = 1 WHERE account_id = :a", "1 handoffs do not show their last event"),
    ],
)
def test_the_doctor_finds_what_is_broken_and_exits_with_1(
    app: Flask, world: World, damage: str, complaint: str
) -> None:
    made = world.junior.hand_off("T-1")
    world.senior.post(f"/handoffs/{made['id']}/claim")
    with maintenance() as session:
        session.execute(text(damage), {"a": world.account_id})
    result = _run(app, "doctor", "--account", str(world.account_id))
    assert result.exit_code == 1
    assert complaint in result.output


def test_the_doctor_finds_a_hint_that_is_too_low(app: Flask, world: World) -> None:
    world.junior.hand_off("T-1")
    head.heads().client.zadd(redis_key("feed", world.account_id.hex, epoch()), {"head": 0})
    result = _run(app, "doctor", "--account", str(world.account_id))
    assert result.exit_code == 1
    assert "the hint in Redis, 0, is below the head" in result.output


def test_the_doctor_of_an_unknown_account_says_so(app: Flask, world: World) -> None:
    result = _run(app, "doctor", "--account", "Nobody")
    assert result.exit_code == 1
    assert "There is no account 'Nobody'" in result.output


def test_pruning_keeps_what_the_settings_say_and_moves_the_floor(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cursor(world.viewer)
    for n in range(5):
        world.junior.hand_off(f"T-{n}")
    with transaction(world.account_id) as session:
        gone = feed.prune(session, world.account_id, keep=timedelta(days=1), most=2, chunk=2)
    assert gone == 2
    with transaction(world.account_id) as session:
        assert feed.prune(session, world.account_id, keep=timedelta(days=1), most=2, chunk=2) == 1
        assert feed.prune(session, world.account_id, keep=timedelta(days=1), most=2, chunk=2) == 0
    result = _run(app, "doctor", "--account", str(world.account_id))
    assert "floor 3, head 5, 2 events" in result.output
    assert poll(world.viewer, before).json["reason"] == "expired"


def test_the_prune_command_takes_what_is_too_old(app: Flask, world: World) -> None:
    world.junior.hand_off("T-1")
    world.junior.hand_off("T-2")
    with maintenance() as session:
        session.execute(
            text("UPDATE feed_events SET created_at = now() - interval '15 days' WHERE account_id = :a AND seq = 1"),
            {"a": world.account_id},
        )
    result = _run(app, "prune")
    assert result.exit_code == 0
    assert "1 events pruned" in result.output
    assert "0 events pruned" in _run(app, "prune").output


def test_rotating_the_epoch_resets_every_client(app: Flask, world: World) -> None:
    world.junior.hand_off("T-1")
    at, old = cursor(world.viewer), epoch()
    result = _run(app, "rotate-epoch")
    assert result.exit_code == 0
    assert epoch() != old
    assert epoch() in result.output
    forget_hints()
    assert poll(world.viewer, at).json["reason"] == "epoch"


@pytest.mark.parametrize("factor", ["-1", "nan", "101", "fast"])
def test_a_pace_that_makes_no_sense_is_refused(app: Flask, world: World, factor: str) -> None:
    assert _run(app, "pace", "--", factor).exit_code != 0


def test_the_pace_is_set(app: Flask, world: World) -> None:
    assert _run(app, "pace", "0").output == "clients are asked to stop\n"
    assert poll(world.viewer, "now").headers["Poll-Interval"] == "-1"
    _run(app, "pace", "1")


def test_the_epoch_is_kept_while_the_database_is_the_same_and_rotated_once_when_it_is_another(world: World) -> None:
    old = epoch()
    with maintenance() as session:
        assert feed.follow_identity(session) is None  # noted for the first time
        assert feed.follow_identity(session) is None
    assert epoch() == old
    with maintenance() as session:
        session.execute(text("UPDATE feed_control SET database_identity = 'another cluster'"))
        new = feed.follow_identity(session)
        assert feed.follow_identity(session) is None
    assert epoch() == new != old


def test_the_doctor_tells_that_the_database_was_restored(app: Flask, world: World) -> None:
    with maintenance() as session:
        session.execute(text("UPDATE feed_control SET database_identity = 'another cluster'"))
    result = _run(app, "doctor")
    assert result.exit_code == 1
    assert "another database" in result.output


def test_tail_follows_the_running_service_and_leaves_no_token_behind(
    app: Flask, servers: Servers, committed: str, tmp_path: Path
) -> None:
    world = worlds.create(app.test_client())
    world.junior.hand_off("T-1", title="Printer \x1b[31mred\x1b[0m\x07")
    with running(Stack(servers, committed, tmp_path)) as stack:
        stack.web(WEB_CONCURRENCY="1")
        first = _run(app, "tail", "--account", "Acme", "--url", stack.url, "--once")
        assert first.exit_code == 0, first.output
        assert "1 open handoffs" in first.output
        at = first.output.split()[-1]
        world.junior.hand_off("T-2", title="Mail \x1b[31mbounces")
        second = _run(app, "tail", "--account", "Acme", "--url", stack.url, "--once", "--cursor", at)
    assert "handoff.created" in second.output
    assert "\x1b" not in second.output
    with maintenance() as session:
        issued = session.query(ApiToken).filter(ApiToken.expires_at.is_not(None)).all()
    assert len(issued) == 2
    assert all(token.user_id == world.viewer.id and token.revoked_at for token in issued)
