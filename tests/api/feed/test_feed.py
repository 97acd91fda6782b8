"""The feed over HTTP: statuses, headers, numbers."""

from __future__ import annotations

import base64

import pytest
from flask import Flask

from api.feed import responses
from api.feed.cursor import Cursor, encode
from api.http import answers
from models import feed, settings
from models.database import Base
from models.feed import head
from models.redis import redis_key
from models.transaction import maintenance
from tests.api.feed.feeds import cursor, epoch, forget_hints, news, poll, redis_calls, snapshot, statements
from tests.world import World


def test_a_poll_tells_what_happened_since_the_snapshot_in_order_and_whole(world: World) -> None:
    at = cursor(world.senior)
    made = world.junior.hand_off("T-1")
    world.senior.post(f"/handoffs/{made['id']}/claim")
    page = news(world.senior, at)
    assert [event["type"] for event in page["events"]] == ["handoff.created", "handoff.claimed"]
    assert [event["seq"] for event in page["events"]] == [1, 2]
    assert (page["from"], page["to"], page["head"], page["has_more"]) == (0, 2, 2, False)
    assert [event["handoff"]["status"] for event in page["events"]] == ["pending", "claimed"]
    assert all(event["handoff"]["seq"] == event["seq"] for event in page["events"])
    assert news(world.senior, page["cursor"])["events"] == []


def test_pages_follow_one_another_without_gap_and_the_last_one_stands_at_the_head(world: World) -> None:
    at = cursor(world.viewer)
    for n in range(5):
        world.junior.hand_off(f"T-{n}")
    seen = []
    for expected_more in (True, True, False):
        answer = poll(world.viewer, at, "&limit=2")
        page = answer.json
        assert page["has_more"] is expected_more
        assert (answer.headers["Poll-Interval"] == "0") is expected_more
        seen += [event["seq"] for event in page["events"]]
        at = page["cursor"]
    assert seen == [1, 2, 3, 4, 5]


def test_the_same_cursor_gives_the_same_again(world: World) -> None:
    at = cursor(world.viewer)
    world.junior.hand_off("T-1")
    first = news(world.viewer, at)
    world.junior.hand_off("T-2")
    assert news(world.viewer, at)["events"][:1] == first["events"]


def test_now_begins_at_the_head(world: World) -> None:
    world.junior.hand_off("T-1")
    page = news(world.viewer, "now")
    assert (page["events"], page["from"], page["to"]) == ([], 1, 1)
    world.junior.hand_off("T-2")
    assert [event["seq"] for event in news(world.viewer, page["cursor"])["events"]] == [2]


def test_collapsed_each_handoff_comes_once_with_its_last_event_and_the_cursor_covers_all(world: World) -> None:
    at = cursor(world.viewer)
    first, second = world.junior.hand_off("T-1"), world.junior.hand_off("T-2")
    world.senior.post(f"/handoffs/{first['id']}/claim")
    world.senior.post(f"/handoffs/{first['id']}/release")
    page = news(world.viewer, at, "&collapse=entity")
    assert [(event["seq"], event["handoff"]["id"]) for event in page["events"]] == [
        (2, second["id"]),
        (4, first["id"]),
    ]
    assert (page["from"], page["to"], page["has_more"]) == (0, 4, False)
    half = news(world.viewer, at, "&collapse=entity&limit=1")
    assert (half["to"], half["has_more"]) == (2, True)
    assert [event["seq"] for event in news(world.viewer, half["cursor"], "&collapse=entity")["events"]] == [4]


def test_nothing_new_is_200_and_empty_without_a_validator_and_304_with_one(world: World) -> None:
    world.junior.hand_off("T-1")
    at = cursor(world.viewer)
    answer = poll(world.viewer, at)
    assert (answer.status_code, answer.json["events"], answer.json["head"]) == (200, [], 1)
    tag = answer.headers["ETag"]
    assert tag == f'W/"{epoch()}.1.all"'
    for given in (tag, tag.removeprefix("W/"), f'"other", {tag}', f'{tag[:-1]}-gzip"', f'{tag[:-1]}--gzip", "other"'):
        again = poll(world.viewer, at, headers={"If-None-Match": given})
        assert (again.status_code, again.data) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary", "Poll-Interval"):
            assert name in again.headers
    for given in ("*", 'W/"other"'):
        assert poll(world.viewer, at, headers={"If-None-Match": given}).status_code == 200


def test_news_is_never_answered_with_304(world: World) -> None:
    world.junior.hand_off("T-1")
    before = cursor(world.viewer)
    world.junior.hand_off("T-2")
    tag = poll(world.viewer, before).headers["ETag"]
    assert poll(world.viewer, before, headers={"If-None-Match": tag}).status_code == 200


def test_an_answer_is_private_and_may_be_kept_only_for_asking_again(world: World) -> None:
    answer = poll(world.viewer, "now")
    assert answer.headers["Cache-Control"] == "private, no-store, no-cache"
    assert {"Authorization", "Accept-Encoding"} <= {part.strip() for part in answer.headers["Vary"].split(",")}


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "cursor_required"),
        ("cursor=", 400, "cursor_required"),
        ("cursor=x", 400, "cursor_invalid"),
        ("cursor=NOW", 400, "cursor_invalid"),
        ("cursor=%00", 400, "cursor_invalid"),
        ("cursor=%F0%9F%92%A9", 400, "cursor_invalid"),
        ("cursor=" + "A" * 5000, 400, "cursor_invalid"),
        ("cursor=now&limit=0", 400, "parameter_invalid"),
        ("cursor=now&limit=201", 400, "parameter_invalid"),
        ("cursor=now&limit=-1", 400, "parameter_invalid"),
        ("cursor=now&limit=1e1", 400, "parameter_invalid"),
        ("cursor=now&limit=%D9%A3", 400, "parameter_invalid"),
        ("cursor=now&limit=", 400, "parameter_invalid"),
        ("cursor=now&collapse=some", 400, "parameter_invalid"),
        ("cursor=now&colour=red", 422, "invalid"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_code(world: World, query: str, status: int, code: str) -> None:
    answer = world.viewer.get(f"/feed?{query}")
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"


def _signed(world: World, epoch: str, seq: int, scope: str = "all", *, key: int = 0) -> str:
    keys = [settings.settings().secret_key or "", "a-key-that-was-never-used-" + "0" * 20]
    return encode(Cursor(epoch, seq, scope), world.account_id, (keys[key],))


@pytest.mark.parametrize(
    ("seq", "scope", "same_epoch", "reason"),
    [(0, "all", True, "expired"), (99, "all", True, "ahead"), (2, "all", False, "epoch"), (2, "mine", True, "scope")],
)
def test_what_cannot_be_continued_exactly_is_410_with_the_reason(
    world: World, seq: int, scope: str, same_epoch: bool, reason: str
) -> None:
    for n in range(3):
        world.junior.hand_off(f"T-{n}")
    _forget(world, up_to=1)
    answer = poll(world.viewer, _signed(world, epoch() if same_epoch else "00000000", seq, scope))
    assert (answer.status_code, answer.json["code"], answer.json["reason"]) == (410, "feed_reset", reason)
    assert 0 <= answer.json["retry_after_ms"] <= 3000


def _forget(world: World, *, up_to: int) -> None:
    """Prune by hand what pruning would take."""
    feeds, events = Base.metadata.tables["feeds"], Base.metadata.tables["feed_events"]
    with maintenance() as session:
        session.execute(feeds.update().where(feeds.c.account_id == world.account_id).values(floor=up_to))
        gone = (events.c.account_id == world.account_id) & (events.c.seq <= up_to)
        session.execute(events.delete().where(gone))


def test_a_cursor_exactly_at_the_floor_goes_on(world: World) -> None:
    for n in range(3):
        world.junior.hand_off(f"T-{n}")
    _forget(world, up_to=1)
    page = news(world.viewer, _signed(world, epoch(), 1))
    assert [event["seq"] for event in page["events"]] == [2, 3]


def test_a_new_epoch_reaches_a_client_that_is_caught_up(world: World) -> None:
    world.junior.hand_off("T-1")
    at = cursor(world.viewer)
    assert news(world.viewer, at)["events"] == []
    with maintenance() as session:
        feed.rotate_epoch(session)
    forget_hints()  # what ten seconds do
    answer = poll(world.viewer, at)
    assert (answer.status_code, answer.json["reason"]) == (410, "epoch")


def test_writes_in_a_new_epoch_do_not_keep_the_old_epochs_hint_alive(world: World) -> None:
    world.junior.hand_off("T-1")
    at = cursor(world.viewer)
    poll(world.viewer, at)
    client = head.heads().client
    [old] = client.keys(redis_key("feed", f"{world.account_id.hex}*"))
    assert client.pexpire(old, 5_000)  # a write to it would set the full time again
    with maintenance() as session:
        feed.rotate_epoch(session)
    world.junior.hand_off("T-2")
    assert 0 < client.pttl(old) <= 5_000
    client.delete(old)
    assert poll(world.viewer, at).status_code == 410


def test_cursors_of_the_previous_signing_key_are_accepted_and_renewed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = cursor(world.viewer)
    with monkeypatch.context() as patch:
        patch.setattr(answers, "signing_keys", lambda: ("n" * 32, settings.settings().secret_key))
        renewed = news(world.viewer, at)["cursor"]
        assert renewed != at
    with monkeypatch.context() as patch:
        patch.setattr(answers, "signing_keys", lambda: ("n" * 32,))
        assert poll(world.viewer, at).json["code"] == "cursor_invalid"
        assert news(world.viewer, renewed)["events"] == []


def test_a_cursor_of_another_account_is_refused(world: World, other_world: World) -> None:
    mine, theirs = cursor(world.viewer), cursor(other_world.viewer)
    assert poll(world.viewer, theirs).json["code"] == "cursor_invalid"
    assert poll(other_world.viewer, mine).json["code"] == "cursor_invalid"
    world.junior.hand_off("T-1")
    assert news(other_world.viewer, theirs)["events"] == []
    assert snapshot(other_world.viewer)["items"] == []


def test_a_cursor_is_safe_in_a_url_and_says_nothing_of_the_account(world: World) -> None:
    at = cursor(world.viewer)
    assert at.isascii()
    assert at.replace("-", "").replace("_", "").isalnum()
    assert world.account_id.bytes not in base64.urlsafe_b64decode(at + "==")


def test_polling_faster_than_a_hundred_at_once_is_429_and_says_how_long_to_wait(world: World) -> None:
    at = cursor(world.viewer)
    answers = [poll(world.viewer, at) for _ in range(130)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert [answer.status_code for answer in answers[:100]] == [200] * 100
    assert refused
    assert {answer.json["code"] for answer in refused} == {"too_fast"}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert poll(world.senior, at).status_code == 200


@pytest.mark.parametrize(
    ("quiet_seconds", "seconds"), [(0, 1.5), (29, 1.5), (31, 3), (599, 3), (601, 5), (3601, 10), (10**9, 10)]
)
def test_the_interval_grows_with_the_quiet_and_is_spread(quiet_seconds: float, seconds: float) -> None:
    drawn = [float(responses._interval(1.0, quiet_seconds)) for _ in range(300)]
    assert all(0.8 * seconds - 0.01 <= interval <= 1.2 * seconds + 0.01 for interval in drawn)
    assert max(drawn) - min(drawn) > 0.2 * seconds


def test_operators_slow_clients_down_and_stop_them(world: World) -> None:
    world.junior.hand_off("T-1")
    at = cursor(world.viewer)
    for pace, lowest, highest in ((4.0, 4.8, 7.2), (0.0, -1, -1), (1.0, 1.2, 1.8)):
        with maintenance() as session:
            feed.set_pace(session, pace)
        forget_hints()
        for _ in range(2):  # from the database, then from Redis
            interval = float(poll(world.viewer, at).headers["Poll-Interval"])
            assert lowest <= interval <= highest


def test_told_to_stop_a_client_that_lags_behind_stops_too(world: World) -> None:
    at = cursor(world.viewer)
    world.junior.hand_off("T-1")
    world.junior.hand_off("T-2")
    with maintenance() as session:
        feed.set_pace(session, 0)
    assert poll(world.viewer, at, "&limit=1").headers["Poll-Interval"] == "-1"


def test_a_caught_up_poll_makes_no_statement_and_one_redis_call(world: World) -> None:
    world.junior.hand_off("T-1")
    at = cursor(world.viewer)
    tag = poll(world.viewer, at).headers["ETag"]
    for headers in ({}, {"If-None-Match": tag}):
        with statements() as sent, redis_calls() as calls:
            assert poll(world.viewer, at, headers=headers).status_code in (200, 304)
        assert (sent, calls) == ([], ["EVALSHA"])


def test_after_a_restart_of_redis_one_poll_reads_the_database_and_the_next_does_not(world: World) -> None:
    world.junior.hand_off("T-1")
    at = cursor(world.viewer)
    poll(world.viewer, at)
    forget_hints()
    with statements() as first:
        poll(world.viewer, at)
    with statements() as second:
        poll(world.viewer, at)
    assert (len(first), len(second)) == (1, 0)


@pytest.mark.parametrize("query", ["", "&collapse=entity", "&limit=1"])
def test_news_costs_one_statement(world: World, query: str) -> None:
    at = cursor(world.viewer)
    world.junior.hand_off("T-1")
    world.junior.hand_off("T-2")
    poll(world.viewer, at, query)  # the first one prepares it
    with statements() as sent:
        assert poll(world.viewer, at, query).json["events"]
    assert len(sent) == 1


def test_without_redis_every_poll_is_right_and_costs_one_statement(
    world: World, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = cursor(world.viewer)
    poll(world.viewer, at)
    monkeypatch.setattr(head.heads().guard, "paused_until", float("inf"))
    assert news(world.viewer, at)["events"] == []
    world.junior.hand_off("T-1")
    with statements() as sent:
        page = news(world.viewer, at)
    assert [event["seq"] for event in page["events"]] == [1]
    assert len(sent) == 1
    with statements() as sent:
        assert news(world.viewer, page["cursor"])["events"] == []
    assert len(sent) == 1


def test_a_hint_that_is_too_high_costs_a_read_and_hides_nothing(world: World) -> None:
    world.junior.hand_off("T-1")
    at = cursor(world.viewer)
    poll(world.viewer, at)
    assert head.heads().client.zadd(redis_key("feed", world.account_id.hex, epoch()), {"head": 9}) == 0
    with statements() as sent:
        assert news(world.viewer, at)["head"] == 1
    assert len(sent) == 1
    world.junior.hand_off("T-2")
    assert [event["seq"] for event in news(world.viewer, at)["events"]] == [2]


def test_while_somebody_writes_polls_read_the_database(world: World) -> None:
    at = cursor(world.viewer)
    poll(world.viewer, at)
    writing = head.heads().announce(world.account_id)
    with statements() as sent:
        assert news(world.viewer, at)["events"] == []
    assert len(sent) == 1
    head.heads().withdraw(world.account_id, writing)
    with statements() as sent:
        assert news(world.viewer, at)["events"] == []
    assert sent == []


def test_a_hole_in_the_feed_is_an_error_and_never_data(world: World) -> None:
    at = cursor(world.viewer)
    for n in range(3):
        world.junior.hand_off(f"T-{n}")
    events = Base.metadata.tables["feed_events"]
    with maintenance() as session:
        session.execute(events.delete().where((events.c.account_id == world.account_id) & (events.c.seq == 2)))
    assert poll(world.viewer, at).status_code == 500


def test_every_write_tells_its_number_and_the_feed_brings_it(world: World) -> None:
    at = cursor(world.viewer)
    made = world.junior.post("/handoffs", {**_intake(), "reason": "No idea."})
    path = f"/handoffs/{made.json['id']}"
    answers = [
        made,
        world.senior.post(f"{path}/claim"),
        world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "Looked at it."}),
        world.senior.post(f"{path}/reassign", {"user_id": str(world.senior2.id)}),
        world.senior2.post(f"{path}/release"),
        world.senior2.post(f"{path}/claim"),
        world.senior2.post(f"{path}/resolve", {"resolution": "A new driver."}),
    ]
    numbers = [int(answer.headers["Feed-Seq"]) for answer in answers]
    assert numbers == sorted(numbers)
    page = news(world.viewer, at)
    assert numbers[-1] == page["to"]
    assert set(numbers) <= {event["seq"] for event in page["events"]}


def _intake() -> dict[str, object]:
    return {"intent": "escalate", "session": {"external_id": "T-1", "title": "Printer", "problem": "", "steps": []}}
