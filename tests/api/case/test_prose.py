"""How texts are taken apart: prose with links, logs, fenced code, and nothing else."""

from __future__ import annotations

import pytest

from api.case.prose import blocks, host_of, is_long

LOG = (
    "2026-03-01 10:00:01 ERROR relay refused\n2026-03-01 10:00:02 INFO retry\n2026-03-01 10:00:03 ERROR relay refused"
)


def kinds(text: str) -> list[str]:
    return [block.kind for block in blocks(text)]


def links(text: str) -> list[str]:
    return [piece.href for block in blocks(text) for piece in block.pieces if piece.href]


@pytest.mark.parametrize(
    "text",
    [
        LOG,
        "C:\\Users\\jo> ipconfig /all\n   IPv4 Address. . . . . : 10.0.0.7\n   Subnet Mask . . . . . : 255.255.255.0",
        "Mar  1 10:00:01 fw kernel: drop\nMar  1 10:00:02 fw kernel: drop\nMar  1 10:00:03 fw kernel: drop",
        'Traceback (most recent call last):\n  File "a.py", line 1\n    run()\nValueError: no',
        "name\tstate\nspooler\tstopped\nw32time\trunning",
    ],
)
def test_what_a_machine_has_written_is_a_log(text: str) -> None:
    assert kinds(text) == ["log"]


@pytest.mark.parametrize(
    "text",
    [
        "Restarted it.",
        "Restarted it.\nNo change.\nCalled the vendor at 10:00.",
        "- the cable\n- the driver\n- the port",
        "Client: Harbour\nDevice: copier\nRoom: 3",
        "",
        "   \n\n",
    ],
)
def test_what_a_person_has_written_is_prose(text: str) -> None:
    assert kinds(text) in (["prose"], [])


def test_a_log_between_sentences_stands_apart_and_keeps_its_lines() -> None:
    found = blocks(f"This is what it says:\n\n{LOG}\n\nI do not know why.")
    assert [(block.kind, block.text) for block in found] == [
        ("prose", "This is what it says:"),
        ("log", LOG),
        ("prose", "I do not know why."),
    ]


def test_fenced_code_is_a_block_and_an_unended_one_runs_to_the_end() -> None:
    found = blocks("Before\n```bash\nls\n  -l\n```\nAfter\n~~~\nx <b>\n```\ny")
    assert [(block.kind, block.label, block.text) for block in found] == [
        ("prose", "", "Before"),
        ("code", "bash", "ls\n  -l"),
        ("prose", "", "After"),
        ("code", "", "x <b>\n```\ny"),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://a.example/x?y=1.", ["https://a.example/x?y=1"]),
        ("(https://a.example/x_(y))", ["https://a.example/x_(y)"]),
        ("HTTP://A.example and https://b.example:8443/", ["HTTP://A.example", "https://b.example:8443/"]),
        ("https://[2001:db8::1]/", ["https://[2001:db8::1]/"]),
        ("javascript:alert(1) data:text/html,x file:///etc ftp://a.example //a.example", []),
        ("https://bank.example@evil.example/", []),
        ("https://", []),
        ("https://a.example:99999/", []),
        ("https://" + "a" * 3000 + ".example", []),
        ("https://-.example https://_/", []),
    ],
)
def test_only_plain_web_addresses_are_links(text: str, found: list[str]) -> None:
    assert links(text) == found


def test_turned_and_invisible_characters_end_an_address() -> None:
    assert links("https://a.example/\u202egpj.exe") == ["https://a.example/"]
    assert links("https://a.exam\u200bple/") == ["https://a.exam"]


def test_the_host_is_shown_as_machines_read_it() -> None:
    assert host_of("https://xn--e1afmkfd.example/") == "xn--e1afmkfd.example"
    assert host_of("https://пример.example/") == "xn--e1afmkfd.example"


def test_every_character_of_prose_stays() -> None:
    text = "a <b> https://a.example & c\nd"
    assert "".join(piece.text for block in blocks(text) for piece in block.pieces) == text


def test_only_long_texts_are_folded() -> None:
    assert not is_long("x" * 1200)
    assert is_long("x" * 1201)
    assert is_long("\n" * 14)


def test_a_hostile_text_takes_linear_time() -> None:
    for text in ("https://" * 4000, "`" * 30_000, "(" * 20_000 + "https://a.example/" + ")" * 20_000, "\t\n" * 9000):
        assert blocks(text) is not None
