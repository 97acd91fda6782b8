"""Sessions in other languages than English are quoted and not judged."""

from __future__ import annotations

import pytest

from models.assessment.case import Case
from tasks.assessors.content import DraftSchema
from tasks.assessors.extractive import Extractive
from tasks.assessors.reading.language import foreign_language
from tests.tasks.assessors.cases import PAST_ID, PRINTER, case, past, step

SPOKEN = {
    "de": (
        "Drucker im Lager druckt nicht",
        "Seit dem Update vom Dienstag druckt der Drucker im Lager nicht mehr. Es kommt die Meldung 0x00000709.",
        "Ich habe den Druckdienst neu gestartet, leider ohne Erfolg.",
    ),
    "es": (
        "La impresora del almacén no imprime",
        "Desde la actualización del martes la impresora del almacén no imprime y muestra el error 0x00000709.",
        "He reiniciado el servicio de impresión, pero sigue sin funcionar.",
    ),
    "fr": (
        "L'imprimante de l'entrepôt n'imprime plus",
        "Depuis la mise à jour de mardi, l'imprimante de l'entrepôt n'imprime plus et affiche l'erreur 0x00000709.",
        "J'ai redémarré le service d'impression, mais cela n'a rien changé.",
    ),
    "cs": (
        "Tiskárna ve skladu netiskne",
        "Od úterní aktualizace tiskárna ve skladu netiskne a hlásí chybu 0x00000709. Nikdo nemůže tisknout štítky.",
        "Restartoval jsem službu tisku, ale nepomohlo to a chyba se objevuje dál.",
    ),
    "ja": (
        "倉庫のプリンターが印刷できません",
        "火曜日の更新以降、倉庫のラベルプリンターで印刷できなくなり、エラー 0x00000709 が表示されます。",
        "印刷サービスを再起動しましたが、まだ同じエラーが表示されます。",
    ),
}


def told(language: str, **rest: object) -> Case:
    title, problem, tried = SPOKEN[language]
    return case(step(1, tried, **rest), title=title, problem=problem, reason="-", ask=None)


@pytest.mark.parametrize("language", SPOKEN)
def test_the_language_is_named_and_nothing_is_judged_or_asked(language: str) -> None:
    of = told(language)
    content = Extractive().assess(of, deadline=0).content
    assert DraftSchema().load(content) == content
    assert f"not in English but in “{language}”" in content["summary"]
    assert content["do_not_repeat"] == []
    assert content["questions"] == []
    assert content["suggested_steps"] == []
    assert content["likely_cause"] is None
    assert content["confidence"] == "low"


@pytest.mark.parametrize("language", SPOKEN)
def test_the_problem_is_quoted_word_for_word(language: str) -> None:
    of = told(language)
    content = Extractive().assess(of, deadline=0).content
    assert "0x00000709" in content["summary"]
    texts = {"problem": of.problem, "step:1": of.steps[0].text}
    assert content["what_we_know"]
    assert not any(fact["text"].rstrip(".") in content["summary"] for fact in content["what_we_know"])
    assert all(fact["text"] in texts[fact["evidence"][0]] for fact in content["what_we_know"])


def test_an_outcome_that_was_given_is_listed_in_any_language() -> None:
    of = told("de", outcome="failed")
    content = Extractive().assess(of, deadline=0).content
    tried = of.steps[0].text
    assert content["do_not_repeat"] == [{"text": tried, "outcome": "failed", "evidence": ["step:1"]}]
    assert tried not in [fact["text"] for fact in content["what_we_know"]]


def test_a_past_case_helps_in_any_language() -> None:
    title, problem, _ = SPOKEN["de"]
    known = past("Treiber neu installiert.", cause="Falscher Treiber.", title=title, problem=problem)
    of = case(title=title, problem=problem, past=(known,))
    content = Extractive().assess(of, deadline=0).content
    assert content["likely_cause"] == {"text": "Falscher Treiber.", "evidence": [f"handoff:{PAST_ID}"]}


@pytest.mark.parametrize("problem", ["", "?", "0x00000709", "Drucker kaputt", "\x00\ud800" * 50, "1234567890 " * 20])
def test_what_is_too_short_to_tell_is_read_as_english(problem: str) -> None:
    assert foreign_language(case(title="", problem=problem)) is None


def test_english_with_foreign_names_stays_english() -> None:
    assert foreign_language(PRINTER) is None
    mixed = case("The folder is called Geschäftsführung and the share is named Buchhaltung, both on SRV-02.")
    assert foreign_language(mixed) is None


def test_a_foreign_problem_that_is_worked_on_in_english_is_read() -> None:
    title, problem, _ = SPOKEN["de"]
    replies = (
        "We restarted the print service on the server and removed the update. The printer still shows the same error."
    )
    assert foreign_language(case(title=title, problem=problem)) == "de"
    assert foreign_language(case(replies, title=title, problem=problem)) is None
