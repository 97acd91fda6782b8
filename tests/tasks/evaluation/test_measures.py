"""Texts are compared by letters and digits, by rare words, and errors are found by their form."""

from __future__ import annotations

import pytest

from tasks.evaluation.agreement import kappa
from tasks.evaluation.measures import Rarity, Share, error_strings, letters, place


def test_places_count_letters_and_digits_only() -> None:
    assert letters("It's 5 o'clock!") == "its5oclock"
    assert place("5  O’clock", "It's 5 o'clock!") == (3, 10)
    assert place("six", "It's 5 o'clock!") is None
    assert place("…", "It's 5 o'clock!") is None


def test_rare_words_make_texts_alike_and_common_ones_hardly_do() -> None:
    rarity = Rarity(["the printer is off", *(f"the device {number} is off" for number in range(50))], least=1)
    assert rarity.best("the printer is new", ["x", "a printer"]) > 2 * rarity.best(
        "the printer is new", ["x", "is a"]
    )
    assert rarity.best("the printer", ["the printer"]) == pytest.approx(1)
    assert rarity.best("printer", []) == 0
    assert rarity.best("", ["printer"]) == 0


def test_in_a_collection_of_one_text_words_count_all_the_same() -> None:
    assert Rarity(["drum worn"], least=1).best("drum worn", ["the drum was worn"]) > 0.5


def test_error_strings_are_codes_quotations_and_phrases() -> None:
    found = error_strings('It says "media out of range", error 535 and 0x8078012D; cannot open tray.')
    assert {"media out of range", "0x8078012d"} <= found
    assert any(each.startswith("cannot open tray") for each in found)
    assert error_strings("All is well.") == set()


def test_a_share_of_nothing_is_none() -> None:
    share = Share()
    assert (str(share), share.value) == ("none", None)
    share.add(True)
    share.add(False)
    assert (str(share), share.value) == ("0.50 of 2", 0.5)


def test_kappa_is_one_for_equal_answers_and_zero_for_chance() -> None:
    assert kappa([("a", "a"), ("b", "b")]) == 1
    assert kappa([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]) == 0
    assert kappa([("a", "a"), ("a", "a")]) is None
    assert kappa([]) is None
