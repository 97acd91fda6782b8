"""Tags of languages: one form, a name, and nothing else."""

from __future__ import annotations

import pytest

from models import language


@pytest.mark.parametrize(
    ("written", "tag", "name"),
    [
        ("de", "de", "German"),
        ("EN", "en", "English"),
        ("deu", "de", "German"),
        ("pt_br", "pt-BR", "Portuguese (BR)"),
        ("zh-hant", "zh-Hant", "Chinese (Hant)"),
        ("sr-latn-rs", "sr-Latn-RS", "Serbian (Latn, RS)"),
        ("es-419", "es-419", "Spanish (419)"),
        ("gsw", "gsw", "Swiss German"),
        (" fr ", "fr", "French"),
    ],
)
def test_a_tag_has_one_form_and_an_english_name(written: str, tag: str, name: str) -> None:
    assert language.tag(written) == tag
    assert language.name(tag) == name


@pytest.mark.parametrize(
    "written", ["", "case", "german", "xx", "d", "de-", "de-DE-1996", "de;DROP", "日本", "de\nfr", "e\x00"]
)
def test_what_names_no_language_has_no_tag(written: str) -> None:
    assert language.tag(written) is None
