"""The labels are complete, and places do not depend on how a text is split."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation import verdicts
from tests.evaluation.agreement import twice
from tests.evaluation.labelled import LABELS, SOURCES, Labelled, Session, read
from tests.evaluation.sentences import rows_of

EVERY = [session for source in SOURCES for session in read(LABELS / f"{source}.txt")]


def write(folder: Path, *lines: str) -> Path:
    path = folder / "labels.txt"
    path.write_text("\n".join(["### one", *lines]), "utf-8")
    return path


def test_every_session_is_labelled_once_and_a_third_twice() -> None:
    assert len({session.id for session in EVERY}) == len(EVERY)
    assert {other.id for _, other in twice()} <= {session.id for session in EVERY}


def test_sentences_follow_each_other_in_their_step() -> None:
    for session in EVERY:
        for one, two in zip(session.sentences, session.sentences[1:], strict=False):
            assert (one.step, one.end) <= (two.step, two.start) or one.step < two.step, session.id


def test_what_is_said_of_a_session_names_its_sentences() -> None:
    for session in EVERY:
        numbers = [*session.causes, *session.fixes, *([session.shown_by] if session.shown_by else [])]
        numbers += [number for attempt in session.attempts for number in (attempt.action, attempt.result)]
        assert all(1 <= number <= len(session.sentences) for number in numbers), session.id
        assert session.state in ("open", "waiting", "solved")


def test_both_readers_saw_the_same_sentences() -> None:
    for one, two in twice():
        assert [(s.step, s.start, s.end) for s in one.sentences] == [(s.step, s.start, s.end) for s in two.sentences]


def test_a_stretch_of_text_finds_the_sentences_it_quotes(tmp_path: Path) -> None:
    (session,) = read(write(tmp_path, "0 0-10 X 10-30 S!", "3 0-20 R-", "TRIED 3>3 -", "STATE open"))
    assert session.covered(0, 10, 30) == [2]
    assert session.covered(0, 5, 30) == [1, 2]
    assert session.covered(3, 4, 9) == [3]
    assert session.covered(4, 0, 20) == []


@pytest.mark.parametrize("line", ["0 0-10 W", "0 nothing", "MAYBE 3"])
def test_a_line_that_is_no_label_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no labels"):
        read(write(tmp_path, line))


def test_a_session_without_labels_of_its_sentences_has_none() -> None:
    assert Session("none").covered(0, 0, 10) == []


def test_a_sentence_counts_where_it_is_lost_or_let_through() -> None:
    worth, quoted = Labelled(1, 0, 10, "R-", True), Labelled(1, 10, 20, "K", False)
    assert dict(rows_of(worth, is_read=False)) == {"worth it, lost": True, "other than K, X and L, lost": True}
    assert dict(rows_of(worth, is_read=True)) == {"worth it, lost": False, "other than K, X and L, lost": False}
    assert dict(rows_of(quoted, is_read=True)) == {"K let through": True}


def test_each_output_was_judged_once_and_the_table_adds_the_verdicts_up() -> None:
    rows = verdicts.read()
    assert len({row["session"] for row in rows}) == len(rows) == 60
    assert {row["state"] for row in rows} == {"right", "wrong"}
    assert all(int(row["attempts right"]) <= int(row["attempts shown"]) for row in rows)
    assert "| state right | 31 of 40 | 15 of 20 |" in list(verdicts.lines())
