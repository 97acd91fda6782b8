"""The language of a session."""

from __future__ import annotations

from collections.abc import Sequence

from gcld3 import NNetLanguageIdentifier

from models.assessment.case import Case
from tasks.assessors.reading.text import clean

ENGLISH = "en"
CHARACTERS_READ = 1_500
LEAST_BYTES = 60  # of a session's text; a few words are too little to tell a language by


def foreign_language(case: Case) -> str | None:
    """Return the code of the session's language ("de"), or None if it is English or cannot be told.

    A problem in another language whose steps are in English is an English session: most of it can be read.
    """
    steps = [step.text for step in case.steps]
    language = _language([case.title, case.problem, *steps])
    if language in (None, ENGLISH) or _language(steps) == ENGLISH:
        return None
    return language


def _language(texts: Sequence[str]) -> str | None:
    text = clean("\n".join(texts), CHARACTERS_READ)
    # One for each call, which costs 0.01 ms: nothing says that threads may share it.
    found = NNetLanguageIdentifier(min_num_bytes=LEAST_BYTES, max_num_bytes=4 * CHARACTERS_READ).FindLanguage(
        text=text
    )
    return str(found.language) if found.is_reliable else None
