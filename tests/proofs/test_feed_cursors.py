"""I6 and I8: any cursor continues exactly or is refused, and none crosses accounts."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from api.feed import Ask, _news, _refuse_what_cannot_continue
from api.feed.cursor import Cursor, CursorError, decode, encode
from api.http.errors import Problem
from models.feed import Page, head
from models.transaction import maintenance
from tests.api.feed.feeds import cursor
from tests.proofs.conftest import scaled
from tests.world import World

pytestmark = pytest.mark.timeout(scaled(120, 1200))

KEYS = ("k" * 32, "old" * 12)
EXAMPLES = scaled(200, 5000)
QUICK = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
EPOCHS = st.sampled_from(["aaaa", "bbbb"])
SMALL = st.integers(0, 12)


@QUICK
@given(at_epoch=EPOCHS, epoch=EPOCHS, seq=SMALL, scope=st.sampled_from(["all", "mine"]), floor=SMALL, above=SMALL)
def test_a_cursor_is_continued_exactly_or_refused_with_the_first_reason_that_holds(
    at_epoch: str, epoch: str, seq: int, scope: str, floor: int, above: int
) -> None:
    page = Page(epoch, head=floor + above, floor=floor, pace=1, quiet_seconds=0, events=[])
    reasons = [
        ("epoch", at_epoch != epoch),
        ("scope", scope != "all"),
        ("ahead", seq > page.head),
        ("expired", seq < floor),
    ]
    expected = next((reason for reason, holds in reasons if holds), None)
    if expected is None:
        _refuse_what_cannot_continue(Cursor(at_epoch, seq, scope), page)
        return
    with pytest.raises(Problem) as refused:
        _refuse_what_cannot_continue(Cursor(at_epoch, seq, scope), page)
    assert (refused.value.code, refused.value.facts["reason"]) == (410, expected)


@QUICK
@given(seq=SMALL, head=SMALL, holes=st.sets(SMALL, max_size=2), limit=st.integers(1, 5))
def test_an_answer_has_every_number_or_is_none(seq: int, head: int, holes: set[int], limit: int) -> None:
    stored = [n for n in range(seq + 1, head + 1) if n not in holes]
    page = Page("aaaa", max(head, seq), 0, 1, 0, [(n, "{}") for n in stored[: limit + 1]])
    sent: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.feed.responses.page", lambda _, to, after, *__: sent.append((after, to.seq)))
        try:
            _news(UUID(int=1), Cursor("aaaa", seq), page, Ask("", limit, "none"))
        except RuntimeError:
            assert holes & set(range(seq + 1, head + 1))
            return
    assert sent == [(seq, stored[limit - 1] if len(stored) > limit else page.head)]
    assert not holes & set(range(seq + 1, sent[0][1] + 1))


ACCOUNTS = st.uuids()


@QUICK
@given(ACCOUNTS, ACCOUNTS, st.from_regex(r"[0-9a-f]{4,8}", fullmatch=True), st.integers(0, 2**63 - 1))
def test_a_cursor_is_read_back_by_its_account_alone(mine: object, theirs: object, epoch: str, seq: int) -> None:
    at = Cursor(epoch, seq)
    for key in KEYS:
        assert decode(encode(at, mine, (key,)), mine, KEYS) == at  # type: ignore[arg-type]
    if mine != theirs:
        with pytest.raises(CursorError):
            decode(encode(at, mine, KEYS), theirs, KEYS)  # type: ignore[arg-type]


@QUICK
@given(ACCOUNTS, st.data())
def test_a_cursor_with_one_bit_changed_is_refused(account: object, data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode(_padded(encode(Cursor("aaaa", 5), account, KEYS))))  # type: ignore[arg-type]
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CursorError):
        decode(base64.urlsafe_b64encode(raw).decode().rstrip("="), account, KEYS)  # type: ignore[arg-type]


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No limit of polls."""
    monkeypatch.setattr(head, "POLL_BURST", 10**9)


@pytest.mark.usefixtures("unhurried")
def test_any_bytes_as_a_cursor_are_refused_as_a_problem(world: World, client: FlaskClient) -> None:
    good = base64.urlsafe_b64decode(_padded(cursor(world.viewer)))

    @settings(QUICK, max_examples=scaled(100, 3000))
    @example(b"\x00")
    @example(b"=" * 40)
    @example(good)
    @example(base64.urlsafe_b64decode(b"now="))
    @given(st.binary(min_size=1, max_size=300) | st.binary(max_size=12).map(lambda more: good + more))
    def ask(raw: bytes) -> None:
        for sent in (raw, base64.urlsafe_b64encode(raw).rstrip(b"=")):
            answer = world.viewer.get("/feed", query_string={b"cursor": sent})  # type: ignore[dict-item]
            if (raw == good or sent == b"now") and answer.status_code == 200:
                continue
            assert answer.status_code == 400, (sent, answer.text)
            assert answer.content_type == "application/problem+json"

    ask()


@pytest.mark.usefixtures("unhurried")
def test_any_parameters_get_an_answer_below_500(world: World) -> None:
    names = st.sampled_from(["cursor", "limit", "collapse", "status", "priority", "q", "page", "mine", "category"])
    values = st.text(max_size=30) | st.sampled_from(["now", "1", "-1", "entity", "\x00", "9" * 30, "NaN"])

    @settings(QUICK, max_examples=scaled(100, 3000))
    @given(st.sampled_from(["/feed", "/queue"]), st.lists(st.tuples(names, values), max_size=4))
    def ask(path: str, query: list[tuple[str, str]]) -> None:
        answer = world.viewer.get(path, query_string=query)  # type: ignore[arg-type]
        assert answer.status_code < 500, (path, query, answer.text)
        if answer.status_code >= 400:
            assert answer.content_type == "application/problem+json"

    ask()


def test_no_account_sees_anything_of_another_by_any_cursor(world: World, other_world: World) -> None:
    begin = {each.account_id: cursor(each.viewer) for each in (world, other_world)}
    for each in (world, other_world):
        for n in range(3):
            each.junior.hand_off(f"T-{n}")
    with maintenance() as session:
        owner = dict(session.execute(text("SELECT id::text, account_id FROM handoffs")).all())
    for each in (world, other_world):
        for at in [*begin.values(), "now"]:
            answer = each.viewer.get(f"/feed?cursor={at}")
            events = answer.json.get("events", [])
            assert all(owner[event["handoff"]["id"]] == each.account_id for event in events)
            assert (answer.status_code == 200) is (at in (begin[each.account_id], "now"))
