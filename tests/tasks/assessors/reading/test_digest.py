"""What a resolution says was done, as its digest shows it."""

from __future__ import annotations

import pytest

from tasks.assessors.reading.text import DIGEST_LENGTH, digest

LETTER = """Dear Anna,
thank you for your patience and sorry for the long wait.
We looked at the logs together with the vendor. The old driver was still registered in the catalogue.
We removed the driver KX-200, installed version 4.2 and restarted the spooler.
Please let us know if it comes back.
Kind regards
Jo"""


@pytest.mark.parametrize(
    ("resolution", "shown"),
    [
        (LETTER, "We removed the driver KX-200, installed version 4.2 and restarted the spooler."),
        (
            "Hi Sam, sorry for the delay. Is it urgent?\nRenewed the certificate of the gateway.",
            "Renewed the certificate",
        ),
        (
            "The disk had filled up. The fix was to raise the quota to 20 GB. Cleared the queue.",
            "The fix was to raise",
        ),
        ("This happens a lot. You can easily disable the toolbar in the add-ons manager.", "You can easily disable"),
        (
            "Did you restart it? Go to the settings and turn off fast start.",
            "Go to the settings and turn off fast start.",
        ),
        ("The toolbar is removed by each update. Rolled back to version 7.", "Rolled back to version 7."),
        ("https://kb.example.com/123\nReplaced the cable.", "Replaced the cable."),
        ("solved by a new release", "solved by a new release."),
        ("Restarted the server twice without luck. The fix was a new cable.", "The fix was a new cable."),
        (
            "Hello Sam, sorry for the delay. Is it urgent? A defective fan in the rack.",
            "A defective fan in the rack.",
        ),
        ("Is it solved?", "Is it solved?"),
        ("Der Treiber war veraltet. Wir haben ihn erneuert.", "Der Treiber war veraltet. Wir haben ihn erneuert."),
    ],
)
def test_a_digest_begins_with_what_was_done(resolution: str, shown: str) -> None:
    assert digest(resolution).startswith(shown)


def test_a_digest_is_cut_at_a_sentence_and_quotes_word_for_word() -> None:
    long = "Hello there. " + " ".join(f"Replaced the fan number {n} of the rack." for n in range(60))
    shown = digest(long)
    assert len(shown) <= DIGEST_LENGTH
    assert shown.endswith(".")
    assert shown in long


@pytest.mark.parametrize("text", ["", "to " * 50_000, "please " * 20_000, "https://" * 10_000, "hi " * 30_000])
def test_any_text_has_a_digest_within_its_length(text: str) -> None:
    assert len(digest(text)) <= DIGEST_LENGTH
