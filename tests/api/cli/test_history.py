"""Import and export of history on the command line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from flask import Flask

from api.cli import history, history_lines
from models.assessment import case
from models.feed import FeedEvent
from models.handoff import Handoff
from models.session import SessionStep, TroubleshootingSession
from models.transaction import transaction
from tests.api.cli.imports import Imports, past
from tests.world import World, intake


@pytest.fixture
def imports(app: Flask, world: World, tmp_path: Path) -> Imports:
    return Imports(app, world, tmp_path)


def test_resolved_history_becomes_past_cases_that_assessments_may_cite_and_is_not_told(imports: Imports) -> None:
    result = imports.run(imports.file(*(past(n) for n in range(5))))
    assert result.exit_code == 0, result.output
    assert "5 lines: 5 added, 0 there before, 0 bad" in result.output
    with transaction(imports.world.account_id) as session:
        found = case.similar(
            session,
            imports.world.account_id,
            "printer HP-2 shows offline since the update KB5044284",
            besides=uuid4(),
        )
    assert found
    assert found[0].resolution == "Installed driver 4.2."
    assert imports.count(FeedEvent) == 0
    [item, *_] = imports.world.viewer.get("/handoffs?status=resolved&q=driver").json["items"]
    assert item["created_at"] == "2025-03-01T08:00:00+00:00"
    assert item["resolved_at"] == "2025-03-01T10:00:00+00:00"
    assert item["handed_off_by"]["name"] == imports.world.admin.name


def test_open_history_joins_the_queue_and_is_told(imports: Imports) -> None:
    before = imports.world.viewer.get("/feed?cursor=now").json["cursor"]
    assert imports.run(imports.file(intake("OPEN-1", created_at="2025-03-01T08:00:00Z"))).exit_code == 0
    [item] = imports.world.viewer.get("/queue").json["items"]
    assert (item["session"]["external_id"], item["status"], item["assessment"]) == ("OPEN-1", "ready", None)
    [event] = imports.world.viewer.get(f"/feed?cursor={before}").json["events"]
    assert event["type"] == "handoff.created"
    assert imports.world.senior.post(f"/handoffs/{item['id']}/claim").status_code == 200


def test_more_open_handoffs_than_one_transaction_may_tell_are_loaded(imports: Imports) -> None:
    result = imports.run(imports.file(*(intake(f"O-{n}", steps=[]) for n in range(450))))
    assert "450 added" in result.output
    assert imports.count(FeedEvent) == 450


def test_running_it_twice_adds_nothing(imports: Imports) -> None:
    lines = [
        past(1),
        past(2, id="their-own-id"),
        past(3, id=str(uuid4())),
        intake("T-4"),  # neither id nor time
        {**intake("T-5"), "intent": "park"},
    ]
    path = imports.file(*lines)
    assert "5 added" in imports.run(path).output
    counts = [imports.count(table) for table in (Handoff, SessionStep, TroubleshootingSession, FeedEvent)]
    again = imports.run(path)
    assert "0 added, 5 there before, 0 bad" in again.output
    assert again.exit_code == 0
    assert counts == [imports.count(table) for table in (Handoff, SessionStep, TroubleshootingSession, FeedEvent)]


def test_the_same_id_is_loaded_once_whatever_else_the_line_says(imports: Imports) -> None:
    same = [past(1, id="A"), past(2, id="A"), past(3, id="A", created_at="2024-01-01T00:00:00Z")]
    assert "1 added, 2 there before, 0 bad" in imports.run(imports.file(*same)).output
    later = past(4, id="A", created_at="2023-01-01T00:00:00Z")
    assert "0 added, 1 there before" in imports.run(imports.file(later, name="later.jsonl")).output


def test_ids_keep_lists_in_the_order_of_time(imports: Imports) -> None:
    days = [past(n, id=f"x{n}", created_at=f"2025-03-{n:02}T08:00:00Z", resolved_at=None) for n in (3, 1, 2)]
    assert imports.run(imports.file(*days)).exit_code == 0
    items = imports.world.viewer.get("/handoffs").json["items"]
    assert [item["created_at"][8:10] for item in items] == ["03", "02", "01"]


def test_a_session_handed_off_several_times_keeps_its_steps_once_and_counts_its_returns(imports: Imports) -> None:
    lines = [past(1, id=f"x{n}", created_at=f"2025-03-0{n}T08:00:00Z", resolved_at=None) for n in (1, 2, 3)]
    assert "3 added" in imports.run(imports.file(*lines)).output
    assert (imports.count(TroubleshootingSession), imports.count(SessionStep)) == (1, 2)
    items = imports.world.viewer.get("/handoffs").json["items"]
    assert [item["returns"] for item in items] == [2, 1, 0]


BAD: list[tuple[Any, str]] = [
    (b'{"intent": "escal', "not JSON"),
    (b"[1, 2]", "not a JSON object"),
    (b"null", "not a JSON object"),
    (b'"text"', "not a JSON object"),
    ("Drücker".encode("latin-1"), "not UTF-8"),
    (b'{"a": NaN}', "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "nested deeper"),
    (b'{"a":' + b"9" * 10_000 + b"}", "not JSON"),
    (intake("X", problem="a\x00b"), "session.problem: Must not contain NUL."),
    (intake("X", colour="red"), "colour: Unknown field."),
    (past(1, resolved_at="2020-01-01T00:00:00Z"), "resolved_at: Is before created_at."),
    (past(1, resolution=None), "resolution: Is missing."),
    ({**past(1), "intent": "park"}, "resolution: A parked one has none."),
    (intake("X", target_user_id=str(uuid4())), "target_user_id: there is no such engineer"),
    ({"intent": "escalate"}, "session: Missing data"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD, ids=[f"{n}-{reason[:20]}" for n, (_, reason) in enumerate(BAD)])
def test_a_bad_line_is_named_and_the_rest_is_loaded(imports: Imports, bad: Any, reason: str) -> None:
    errors = imports.folder / "errors.txt"
    result = imports.run(imports.file(past(1), bad, past(2)), "--errors", str(errors))
    assert result.exit_code == 1
    assert f"line 2: {reason}" in result.stderr
    assert f"line 2: {reason}" in errors.read_text()
    assert "3 lines: 2 added, 0 there before, 1 bad" in result.stdout
    assert imports.count() == 2


def test_a_half_written_last_line_is_bad_and_a_whole_one_without_its_end_is_not(imports: Imports) -> None:
    half = imports.file(past(1), json.dumps(past(2)).encode()[:50], end=b"")
    half.write_bytes(json.dumps(past(1)).encode() + b"\n" + json.dumps(past(2)).encode()[:50])
    assert imports.run(half).exit_code == 1
    half.write_bytes(json.dumps(past(1)).encode() + b"\n" + json.dumps(past(2)).encode())
    again = imports.run(half)
    assert (again.exit_code, "1 added, 1 there before" in again.output) == (0, True)


def test_windows_line_ends_a_byte_order_mark_and_empty_lines_are_fine(imports: Imports) -> None:
    path = imports.file(past(1), b"", b"   ", past(2), end=b"\r\n", start=b"\xef\xbb\xbf")
    result = imports.run(path)
    assert (result.exit_code, "2 added, 0 there before, 0 bad" in result.output) == (0, True), result.output


def test_a_line_of_10_mb_is_refused_and_the_next_one_loaded(imports: Imports) -> None:
    result = imports.run(imports.file(past(1, problem="x" * 10_000_000), past(2)))
    assert "line 1: session.problem: Length must be between 0 and 20000" in result.stderr
    assert "1 added" in result.output


def test_a_line_longer_than_any_may_be_is_skipped_without_holding_it(imports: Imports) -> None:
    path = imports.file(past(1), b"x" * 5_000_000, past(2))
    with path.open("rb") as file:
        lines = list(history_lines.raw_lines(file, longest=100_000))
    assert [(line.number, getattr(line, "content", 0) is None) for line in lines] == [
        (1, False),
        (2, True),
        (3, False),
    ]


def test_gzip_is_read_and_one_that_breaks_off_says_so_after_what_was_whole(imports: Imports) -> None:
    packed = gzip.compress(b"".join(json.dumps(past(n)).encode() + b"\n" for n in range(2000)))
    path = imports.folder / "h.jsonl.gz"
    path.write_bytes(packed)
    assert "2000 added" in imports.run(path).output
    path.write_bytes(packed[: len(packed) // 2])
    broken = imports.run(path)
    assert broken.exit_code == 1
    assert "the compressed data ends early" in broken.stderr
    assert "0 added" in broken.stdout


def test_resume_goes_on_after_the_last_stored_line(imports: Imports) -> None:
    lines = [past(n) for n in range(1300)]
    path = imports.file(*lines[:1000])
    assert imports.run(path).exit_code == 0
    imports.file(*lines)  # the file has grown
    result = imports.run(path, "--resume")
    assert "going on after line 1000" in result.output
    assert "300 lines: 300 added, 0 there before, 0 bad" in result.output


def test_an_import_that_is_cut_off_in_the_middle_goes_on_without_loss_or_doubles(
    imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = imports.file(*(past(n) for n in range(1300)))
    whole, calls = history._store, []

    def cut_off(run: Any, upto: int) -> None:
        calls.append(upto)
        if len(calls) == 2:
            raise KeyboardInterrupt
        whole(run, upto)

    monkeypatch.setattr(history, "_store", cut_off)
    assert imports.run(path).exit_code == 1
    monkeypatch.setattr(history, "_store", whole)
    assert imports.count() == 500
    result = imports.run(path, "--resume")
    assert "800 lines: 800 added, 0 there before" in result.output
    assert imports.count() == 1300


def test_a_dry_run_checks_every_line_and_stores_nothing(imports: Imports) -> None:
    result = imports.run(imports.file(past(1), b"nonsense", intake("O-1")), "--dry-run")
    assert result.exit_code == 1
    assert "3 lines: 2 would be added, 0 there before, 1 bad" in result.output
    assert (imports.count(), imports.count(TroubleshootingSession)) == (0, 0)


def test_a_second_open_handoff_of_a_session_is_refused(imports: Imports) -> None:
    imports.world.junior.hand_off("T-1")
    result = imports.run(imports.file(intake("T-1", created_at="2025-01-01T00:00:00Z"), past(2)))
    assert "line 1: the session has an open handoff already" in result.stderr
    assert "1 added" in result.output


def test_assess_starts_a_batch_over_what_was_imported(imports: Imports) -> None:
    imports.world.junior.hand_off("T-1")
    result = imports.run(imports.file(past(1), past(2)), "--assess")
    assert result.exit_code == 0
    [made] = imports.world.viewer.get("/batches").json["items"]
    assert (made["total"], made["note"]) == (2, "imported history")


def test_it_says_in_whose_name_it_cannot_load(imports: Imports) -> None:
    path = imports.file(past(1))
    assert "is a viewer" in imports.run(path, "--by", imports.world.viewer.name).output
    assert "There is no user" in imports.run(path, "--by", "Nobody").output
    imports.app.test_cli_runner().invoke(
        args=["users", "delete", "--force", "--account", str(imports.world.account_id), str(imports.world.admin.id)]
    )
    result = imports.run(path)
    assert result.exit_code == 1
    assert "has no admin; name somebody with --by" in result.output
    assert imports.run(path, "--by", imports.world.junior.name).exit_code == 0


def test_what_is_exported_and_imported_elsewhere_exports_the_same(
    app: Flask, imports: Imports, other_world: World
) -> None:
    open_one = imports.world.junior.hand_off("T-1", priority="urgent", ask="Why?", category="Net", client="N")
    imports.world.senior.post(f"/handoffs/{open_one['id']}/claim")
    imports.world.senior.post("/sessions/T-1/steps", {"kind": "note", "text": "I have it. 日本 \u2028"})
    imports.run(
        imports.file(past(1, id="theirs"), past(1, id="again"), past(2, opened_at="2025-02-28T08:00:00+02:00"))
    )
    gone = imports.world.junior.hand_off("T-3")
    imports.world.junior.post(f"/handoffs/{gone['id']}/withdraw")
    imports.world.junior.hand_off("T-4", intent="park")
    first, second = imports.folder / "1.jsonl.gz", imports.folder / "2.jsonl"
    runner = app.test_cli_runner()

    def export(world: World, path: Path) -> Result:
        return runner.invoke(args=["handoffs", "export", "--account", str(world.account_id), "-o", str(path)])

    assert "4 handoffs exported" in export(imports.world, first).output
    elsewhere = Imports(app, other_world, imports.folder)
    loaded = elsewhere.run(first)
    assert (loaded.exit_code, "4 added" in loaded.output) == (0, True), loaded.output
    assert export(other_world, second).exit_code == 0
    assert gzip.decompress(first.read_bytes()).decode() == second.read_text()


def asking(world: World) -> list[dict[str, Any]]:
    return [
        {"kind": "question", "text": "Which firmware?", "to_user_id": str(world.senior.id)},
        {"kind": "note", "text": "4.2.", "answers": 1, "retracted_at": "2025-03-01T09:00:00Z"},
        {"kind": "note", "text": "4.3.", "answers": 1},
    ]


def steps_of(world: World, external_id: str) -> list[tuple[Any, ...]]:
    steps = world.viewer.get(f"/sessions/{external_id}").json["steps"]
    keys = ("text", "answers", "retracted_at")
    return [(*(step[key] for key in keys), step["to"] and step["to"]["name"]) for step in steps]


def test_questions_answers_and_retractions_are_exported_and_imported(app: Flask, imports: Imports) -> None:
    world = imports.world
    assert imports.run(imports.file(past(1, steps=asking(world)))).exit_code == 0
    assert steps_of(world, "OLD-1") == [
        ("Which firmware?", None, None, world.senior.name),
        ("4.2.", 1, "2025-03-01T09:00:00+00:00", None),
        ("4.3.", 1, None, None),
    ]
    arguments = ["handoffs", "export", "--account", str(world.account_id)]
    line = json.loads(app.test_cli_runner().invoke(args=arguments).stdout)
    line["session"]["external_id"] = "OLD-2"
    assert imports.run(imports.file({**line, "id": "again"}, name="2.jsonl")).exit_code == 0
    assert steps_of(world, "OLD-2") == steps_of(world, "OLD-1")


def test_imported_steps_answer_by_their_own_numbers_in_a_session_that_has_others(imports: Imports) -> None:
    world = imports.world
    made = world.junior.hand_off("OLD-1", steps=[{"kind": "question", "text": "Is it on?"}])["id"]
    world.junior.post(f"/handoffs/{made}/withdraw")
    steps = [{"kind": "note", "text": "Called."}, *asking(world)]
    steps[2]["answers"] = steps[3]["answers"] = 2
    assert imports.run(imports.file(past(1, steps=steps))).exit_code == 0
    assert [step[:2] for step in steps_of(world, "OLD-1")] == [
        ("Is it on?", None),
        ("Called.", None),
        ("Which firmware?", None),
        ("4.2.", 3),
        ("4.3.", 3),
    ]


def test_a_question_to_somebody_of_another_account_is_imported_as_one_to_nobody(
    imports: Imports, other_world: World
) -> None:
    assert imports.run(imports.file(past(1, steps=asking(other_world)))).exit_code == 0
    assert [step[3] for step in steps_of(imports.world, "OLD-1")] == [None, None, None]


def test_a_line_with_an_answer_to_no_question_is_bad_and_the_others_are_loaded(imports: Imports) -> None:
    bad = past(1, steps=[{"kind": "note", "text": "4.2.", "answers": 1}])
    result = imports.run(imports.file(bad, past(2)))
    assert (result.exit_code, "1 added" in result.output) == (1, True)
    assert "line 1: session.steps: one answers no earlier question" in result.output
    assert imports.world.viewer.get("/sessions/OLD-1").status_code == 404


def test_export_since_leaves_out_what_is_older(app: Flask, imports: Imports) -> None:
    imports.run(imports.file(past(1), past(2, created_at="2026-01-05T00:00:00Z", resolved_at=None)))
    account = str(imports.world.account_id)
    result = app.test_cli_runner().invoke(args=["handoffs", "export", "--account", account, "--since", "2026-01-05"])
    [line] = result.stdout.splitlines()
    assert json.loads(line)["session"]["external_id"] == "OLD-2"
