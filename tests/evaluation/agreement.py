"""How far two readers agree on the sessions that both labelled: python -m tests.evaluation.agreement."""

from __future__ import annotations

from tasks.evaluation.agreement import kappa
from tests.evaluation.labelled import LABELS, SOURCES, Session, read


def twice() -> list[tuple[Session, Session]]:
    """Both readings of each session that was labelled twice."""
    first = {session.id: session for source in SOURCES for session in read(LABELS / f"{source}.txt")}
    return [(first[other.id], other) for other in read(LABELS / "second.txt")]


def main() -> None:
    """Print the agreement on what sentences do, what is worth reading, and how sessions stand."""
    both = twice()
    sentences = [pair for one, two in both for pair in zip(one.sentences, two.sentences, strict=True)]
    found = {
        "what a sentence does": [(one.act[0], two.act[0]) for one, two in sentences],
        "with outcomes": [(one.act, two.act) for one, two in sentences],
        "worth a senior's seconds": [(str(one.is_worth_it), str(two.is_worth_it)) for one, two in sentences],
        "state of the session": [(one.state, two.state) for one, two in both],
    }
    print(f"{len(both)} sessions, {len(sentences)} sentences\n")
    print("| question | same answer | kappa |\n| --- | --- | --- |")
    for name, pairs in found.items():
        print(f"| {name} | {sum(one == two for one, two in pairs) / len(pairs):.2f} | {kappa(pairs) or 0:.2f} |")


if __name__ == "__main__":
    main()
