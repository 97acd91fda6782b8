"""Past cases compared by meaning: the score, its thresholds, whose vectors count, and what a vector is."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.assessment import case, vectors
from models.assessment.vectors import Meaning, PastText, cosine, pack
from models.transaction import maintenance, transaction
from tests.models.assessment.test_similar import ASKED, BACKUP, NOBODY, SPOOLER, found, resolve
from tests.world import World

MODEL = "made-up"
ASKS = pack([1.0, 0.0])
SAME, HALF, FIFTH, OTHER = (pack(numbers) for numbers in ([1.0, 0.0], [1.0, 1.73], [1.0, 4.9], [0.0, 1.0]))


def store(world: World, handoff: str, vector: bytes, model: str = MODEL) -> None:
    with maintenance() as session:
        vectors.store(session, model, [(PastText(world.account_id, UUID(handoff), "", ""), vector)])


def meant(vector: bytes = ASKS, model: str = MODEL) -> Meaning:
    return Meaning(model, vector)


def test_a_packed_vector_keeps_the_direction_in_a_byte_for_each_number() -> None:
    numbers = [0.3, -0.2, 0.01, 0.0, 0.9]
    packed = pack(numbers)
    assert len(packed) == len(numbers)
    assert cosine(packed, pack([number * 40 for number in numbers])) == pytest.approx(1)
    assert cosine(packed, pack([-number for number in numbers])) == pytest.approx(-1)
    assert cosine(SAME, HALF) == pytest.approx(0.5, abs=0.01)
    assert cosine(SAME, OTHER) == 0


def test_what_is_no_vector_is_like_nothing() -> None:
    for one, two in ((b"", b""), (SAME, b""), (SAME, pack([1.0, 0.0, 0.0])), (pack([0.0, 0.0]), SAME)):
        assert cosine(one, two) == 0


def test_the_score_is_half_words_and_half_meaning(world: World) -> None:
    spooler = resolve(world, "T-1", **SPOOLER)
    (by_words,) = found(world)
    for vector, alike in ((SAME, 1.0), (HALF, 0.5), (OTHER, 0.0)):
        store(world, spooler, vector)
        (mixed,) = found(world, meaning=meant(), least=0.0)
        assert mixed.score == pytest.approx((by_words.score + alike) / 2, abs=0.01)
    store(world, spooler, pack([-1.0, 0.0]))  # the opposite is no less alike than what has nothing in common
    (mixed,) = found(world, meaning=meant(), least=0.0)
    assert mixed.score == pytest.approx(by_words.score / 2)
    assert mixed.resolution == "Removed the new driver."


def test_meaning_puts_a_case_first_that_has_fewer_of_the_words(world: World) -> None:
    near = resolve(world, "T-1", **SPOOLER)
    far = resolve(world, "T-2", title="Spooler", problem="PRN-02 has a crash of the spooler after the driver update.")
    store(world, near, OTHER)
    store(world, far, SAME)
    assert [str(past.handoff_id) for past in found(world, meaning=meant(), most=1)] == [far]
    assert [str(past.handoff_id) for past in found(world, meaning=meant(OTHER), most=1)] == [near]


@pytest.mark.parametrize("vector", [None, b""])
def test_without_a_vector_of_the_same_model_words_alone_count(world: World, vector: bytes | None) -> None:
    spooler = resolve(world, "T-1", **SPOOLER)
    if vector is not None:
        store(world, spooler, vector)
    assert found(world, meaning=meant()) == found(world)
    store(world, spooler, OTHER, "another model")
    assert found(world, meaning=meant()) == found(world)


def test_each_scale_has_its_own_bar_for_conclusions(world: World) -> None:
    spooler = resolve(world, "T-1", **SPOOLER)
    (by_words,) = found(world)
    assert (by_words.bar, by_words.conclusive) == (0.4, True)
    store(world, spooler, FIFTH)
    (mixed,) = found(world, meaning=meant())
    assert (mixed.bar, mixed.conclusive) == (0.55, False)
    assert 0.4 < mixed.score < 0.55
    store(world, spooler, SAME)
    assert found(world, meaning=meant())[0].conclusive


def test_an_accounts_own_threshold_is_used_with_its_model_and_moves_the_bar(world: World, other_world: World) -> None:
    spooler = resolve(world, "T-1", **SPOOLER)
    store(world, spooler, SAME)
    (mixed,) = found(world, meaning=meant())
    for account_id, model in ((world.account_id, "another model"), (other_world.account_id, MODEL)):
        with maintenance() as session:
            vectors.set_threshold(session, account_id, model, 0.99)
    assert found(world, meaning=meant()) == [mixed]
    with maintenance() as session:
        vectors.set_threshold(session, world.account_id, MODEL, 0.46)
        assert vectors.threshold(session, world.account_id, MODEL) == 0.46
    (calibrated,) = found(world, meaning=meant())
    assert calibrated.bar == pytest.approx(0.65)
    with maintenance() as session:
        vectors.set_threshold(session, world.account_id, MODEL, 0.99)
    assert found(world, meaning=meant()) == []


def test_what_is_below_the_threshold_is_not_shown(world: World) -> None:
    spooler = resolve(world, "T-1", **SPOOLER)
    resolve(world, "T-2", **BACKUP)
    store(world, spooler, OTHER)
    asked = "Spooler of PRN-01\nThe driver was updated, and now a colleague in the warehouse has no paper."
    (alone,) = found(world, asked)
    assert alone.score / 2 < case.LEAST_MIXED < alone.score
    assert found(world, asked, meaning=meant()) == []


def test_another_accounts_cases_are_not_found_by_meaning(world: World, other_world: World) -> None:
    theirs = resolve(other_world, "T-1", **SPOOLER)
    store(other_world, theirs, SAME)
    assert found(world, meaning=meant()) == []
    assert [str(past.handoff_id) for past in found(other_world, meaning=meant())] == [theirs]
    with transaction(world.account_id) as session:
        assert session.execute(text("SELECT count(*) FROM past_case_vectors")).scalar() == 0
        asked = {"model": MODEL, "account": other_world.account_id, "words": ASKED, "besides": NOBODY}
        assert case._SIMILAR(session, asked | {"most": 5, "least": 0.0, "compared": 45}) == []
        assert case._PAST_TEXTS(session, {"account": other_world.account_id, "ids": [UUID(theirs)]}) == []


@pytest.mark.parametrize("table", ["past_case_vectors", "past_case_thresholds"])
def test_no_request_writes_vectors_or_thresholds(world: World, table: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), transaction(world.account_id) as session:
        session.execute(text(f"DELETE FROM {table}"))


def test_what_has_no_vector_of_a_model_is_found_in_one_account_or_in_all(world: World, other_world: World) -> None:
    ours, theirs = resolve(world, "T-1", **SPOOLER), resolve(other_world, "T-1", **BACKUP)
    world.junior.hand_off("T-2", **BACKUP)  # open, so no past case

    def missing(model: str = MODEL, account_id: UUID | None = None) -> list[str]:
        with maintenance() as session:
            texts = vectors.missing(session, model, longest=20, most=10, account_id=account_id)
            assert vectors.count_missing(session, model, account_id=account_id) == len(texts)
        return sorted(str(past.handoff_id) for past in texts)

    assert missing() == sorted([ours, theirs])
    assert missing(account_id=world.account_id) == [ours]
    store(world, ours, SAME)
    assert missing() == [theirs]
    assert missing("another model") == sorted([ours, theirs])
    with maintenance() as session:
        (past,) = vectors.missing(session, MODEL, longest=20, most=1)
    assert (past.title, past.problem) == (BACKUP["title"], BACKUP["problem"][:20])


def test_two_hundred_cases_are_compared_where_words_alone_compare_forty_five(world: World) -> None:
    for number in range(60):
        resolve(world, f"T-{number}", **SPOOLER)
    with maintenance() as session:
        made = vectors.missing(session, MODEL, longest=10, most=100)
        vectors.store(session, MODEL, [(past, SAME) for past in made])
    assert len(found(world, most=100)) == 45
    assert len(found(world, most=100, meaning=meant())) == 60
