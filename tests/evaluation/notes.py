"""Made-up sessions in the style of an engineer's notes, with their labels (labels/notes.txt; README.md there)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, UUID, uuid5

from models.assessment.case import Case, CaseStep
from tasks.evaluation.measures import letters
from tests.evaluation.labelled import LABELS, Labelled, Session, add_note

NOTES = LABELS / "notes.txt"


@dataclass
class _Text:
    """The problem or a step while it is read: its sentences, what kind of step it is, and whose."""

    kind: str = "note"
    author: str | None = None
    sentences: list[tuple[str, str]] = field(default_factory=list)  # label, text


def sessions() -> Iterator[tuple[Session, Case]]:
    """Yield the made-up sessions with their labels. ValueError with the line that is no label."""
    for block in NOTES.read_text("utf-8").split("### ")[1:]:
        yield _session(block.splitlines())


def _session(lines: list[str]) -> tuple[Session, Case]:
    session, title, texts = Session(lines[0]), "", [_Text()]
    for line in filter(None, lines[1:]):
        kind, _, rest = line.partition(" ")
        if kind == "TITLE":
            title = rest
        elif kind == "STEP":
            what, _, author = rest.partition(" ")
            texts.append(_Text(what, author or None))
        elif kind in ("TRIED", "CAUSE", "FIX", "STATE"):
            add_note(session, line)
        elif kind != "PROBLEM":
            texts[-1].sentences.append((kind, rest))
    for number, text in enumerate(texts):
        session.sentences += _labelled(number, text)
    told = ["\n".join(sentence for _, sentence in text.sentences) for text in texts]
    steps = tuple(
        CaseStep(number, text.kind, whole, author=text.author)
        for number, (text, whole) in enumerate(zip(texts[1:], told[1:], strict=True), 1)
    )
    return session, Case(
        account_id=UUID(int=1),
        handoff_id=uuid5(NAMESPACE_URL, session.id),
        assessment_id=UUID(int=2),
        title=title,
        problem=told[0],
        reason="",
        steps=steps,
    )


def _labelled(step: int, text: _Text) -> Iterator[Labelled]:
    at = 0
    for label, sentence in text.sentences:
        end = at + len(letters(sentence))
        yield Labelled(step, at, end, label.rstrip("!"), label.endswith("!"))
        at = end
