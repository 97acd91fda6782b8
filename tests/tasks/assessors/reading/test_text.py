"""Of a text as it comes, only what its author says about the matter is read, and that is read whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assessors.reading.similarity import repeats, stems
from tasks.assessors.reading.text import LONGEST_TEXT, SENTENCES_PER_TEXT, sentences, squeeze
from tasks.assessors.reading.transcript import transcribe
from tests.tasks.assessors.cases import case, step

NAMES = frozenset(("anna", "ben"))


def read(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(text, "problem", names=NAMES)]


SENTENCES = {
    "abbreviations": (
        "The chip is by Intel Corp. 82801 and fails, e.g. after a reboot. It is old.",
        ["The chip is by Intel Corp. 82801 and fails, e.g. after a reboot.", "It is old."],
    ),
    "a short word before the end": (
        "It starts, but it won't. The lamp is red.",
        ["It starts, but it won't.", "The lamp is red."],
    ),
    "versions and files": (
        "Outlook 16.0.1 crashes in mso.dll v2. Excel does not.",
        ["Outlook 16.0.1 crashes in mso.dll v2.", "Excel does not."],
    ),
    "paths": (
        "Run ./setup --now in ../bin first. Then reboot.",
        ["Run ./setup --now in ../bin first.", "Then reboot."],
    ),
    "numbers of items": (
        "1. Stop the spooler. 2. Empty its folder.",
        ["1. Stop the spooler.", "2. Empty its folder."],
    ),
    "a number at the end": (
        "It came with version 3. Nothing helped.",
        ["It came with version 3.", "Nothing helped."],
    ),
    "ellipses": ("I waited... it never came up. Twice.", ["I waited... it never came up.", "Twice."]),
    "a menu path": (
        "Go to Tools > Options... > Advanced and clear the box. Then restart.",
        ["Go to Tools > Options... > Advanced and clear the box.", "Then restart."],
    ),
    "a menu whose name is a mark": ('Open "?" > About and note the build.', ['Open "?" > About and note the build.']),
    "two menu paths": ("Open File > Print. Open Help > About.", ["Open File > Print.", "Open Help > About."]),
    "a chat without full stops": ("the lamp is red\nno sound either", ["the lamp is red", "no sound either"]),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_a_sentence_is_neither_cut_nor_joined(what: str) -> None:
    text, told = SENTENCES[what]
    assert read(text) == told


WRAPPED = (
    "The scanner on the second floor sends no mail any more since the\n"
    "certificate of the relay was renewed, and the copier, which uses the\n"
    "same account, does.\n"
    "Please help.\n"
)
LISTED = (
    "We looked at the gateway in the cellar, at both of the switches and\n"
    "- the cable between them that was replaced in the spring of last year\n"
    "- power supplies"
)


def test_wrapped_lines_are_joined_and_lists_are_not() -> None:
    assert read(WRAPPED)[0] == squeeze(WRAPPED.split("\nPlease", maxsplit=1)[0])
    assert len(read(LISTED)) == 3
    assert read(f"{LISTED.splitlines()[0]}\nthe cable\nno link")[1:] == ["no link"]
    unwrapped = f"{WRAPPED}{'This line is longer than any mail program would ever leave it. ' * 3}"
    assert read(unwrapped)[0] == WRAPPED.split("\n", maxsplit=1)[0]


QUOTATIONS = {
    "marked": ("No, it still fails.\n> Did you restart it?\n> And then?", ["No, it still fails."]),
    "with its author above": ("anna said:\n\n> Did you restart it?\nYes, it still fails.", ["Yes, it still fails."]),
    "of a mail": ("It still fails.\nOn Mon, 5 Jan 2026 at 10:00, Anna Berg wrote:\n> Try again", ["It still fails."]),
    "of a mail, wrapped": (
        "It still fails.\nOn Mon, 5 Jan 2026 at 10:00, Anna Berg\n<anna@example.com> wrote:\n> Try again",
        ["It still fails."],
    ),
    "of a German mail": (
        "Es hilft nicht.\nAm 05.01.2026 um 10:00 schrieb Anna Berg:\n> Neu starten",
        ["Es hilft nicht."],
    ),
    "headers": ("It still fails.\nFrom: Anna\nSent: Monday\nTo: Ben\nSubject: Printer", ["It still fails."]),
    "addresses are no headers": (
        "From: 10.0.0.1\nTo: 10.0.0.2\nNo route.",
        ["From: 10.0.0.1", "To: 10.0.0.2", "No route."],
    ),
    "one field is no header": ("Subject: the scanner sends no mail", ["Subject: the scanner sends no mail"]),
    "a message that is shown": (
        "On start it says:\n> FATAL: no such module",
        ["On start it says:", "FATAL: no such module"],
    ),
    "nothing else": (
        "> The scanner sends no mail.\n> It did on Monday.",
        ["The scanner sends no mail.", "It did on Monday."],
    ),
    "a report of what was said": (
        "The vendor wrote that it is a known fault.",
        ["The vendor wrote that it is a known fault."],
    ),
}


@pytest.mark.parametrize("what", QUOTATIONS)
def test_quotations_are_left_out(what: str) -> None:
    text, told = QUOTATIONS[what]
    assert read(text) == told


def test_what_a_step_quotes_without_marks_is_left_out_and_what_is_done_again_is_not() -> None:
    asked = "Clear the cache of the proxy and restart it."
    said = transcribe(
        case(
            asked,
            f"It fails again.\n-----Original Message-----\n{asked}\nThe log of the proxy is empty.",
            asked,
        )
    )
    assert [[s.text for s in told] for told in said.spoken] == [
        [asked],
        ["It fails again.", "The log of the proxy is empty."],
        [asked],
    ]


COURTESIES = [
    "Hi Anna,",
    "Hello all, good morning",
    "Thanks again!",
    "Thank you for your help.",
    "ok thanks",
    "ben: ok",
    "[Carl]: you're welcome",
    "Kindly note that we will check this issue and get back to you.",
    "Please consider this ticket as closed.",
    "Please do not hesitate to contact us.",
    "CAUTION: This email originated from outside of the organization.",
    "[EXTERNAL EMAIL]",
    "Do not click links or open attachments unless you know the sender.",
    "This is an automatically generated notification.",
    "##- Please type your reply above this line -##",
    "Sent from my phone",
    "Tel: +49 30 1234567",
]
TELLING = [
    "Thanks Ben but the fault persists in safe mode.",
    "Thank you, that fixed it.",
    "ok it works",
    "Hello my mailbox doesn't open",
    "hi, outlook freezes",
    "No luck, same error.",
    "ben: i see no change",
    "The release was deployed on the second server, please consider this ticket as closed.",
    "As the firewall rule was missing and is there now, we will close this ticket.",
    "Attention: email is down in the whole branch.",
    "Warning: the sender address was rejected by the relay.",
    "The banner about external mail covers the first line of each message.",
    "The automatic reply is sent twice.",
    "Phone: no dial tone on any line",
    "Can anyone help me to mount the second disk of the server?",
    "The unsubscribe link in the footer asks for a password.",
    "Sent from my laptop the message arrives, from the phone it bounces.",
]


@pytest.mark.parametrize("text", COURTESIES)
def test_courtesy_routine_and_banners_are_left_out(text: str) -> None:
    assert read(f"{text}\nThe scanner is dead.") == ["The scanner is dead."]


@pytest.mark.parametrize("text", TELLING)
def test_courtesy_and_routine_hide_no_sentence_that_tells_something(text: str) -> None:
    assert squeeze(" ".join(read(text))).endswith(text.removeprefix("ben: "))


def test_below_regards_a_name_is_left_out_and_a_report_is_not() -> None:
    text = "It fails.\nKind regards,\nAnna Berg\nService Desk\n030 1234567\n\nPS: the lamp is off\nI restarted it\n"
    assert read(text) == ["It fails.", "PS: the lamp is off", "I restarted it"]
    assert read("It fails.\nThanks\nVPN down since Monday") == ["It fails.", "VPN down since Monday"]
    assert read("It fails.\n-- \nAnna Berg\nExample Ltd") == ["It fails."]


PROMPTS = {
    "[Carl]> it fails with error 5": "it fails with error 5",
    "[10:32] <carl> it fails": "it fails",
    "anna: it fails": "it fails",
    "Anna, it fails": "it fails",
    "<ben> anna: it fails": "it fails",
    "@carl it fails": "it fails",
    "<host> does not answer": "<host> does not answer",
    "eth0: no link at all": "eth0: no link at all",
    "srv-7: disk is full": "srv-7: disk is full",
    "10:32 error: disk is full": "10:32 error: disk is full",
    "a > b is wrong here": "a > b is wrong here",
}


@pytest.mark.parametrize("line", PROMPTS)
def test_the_name_before_a_line_of_a_chat_is_no_part_of_the_sentence(line: str) -> None:
    assert read(line) == [PROMPTS[line]]


def test_a_pasted_chat_is_known_by_its_second_line() -> None:
    assert read("<carl> it fails\n<dora> since when?") == ["it fails", "since when?"]


def test_those_who_speak_are_known_from_the_steps() -> None:
    said = transcribe(case(step(1, "Dora: it fails", author="Carl"), step(2, "since when?", author="Dora Lang")))
    assert [s.text for s in said.spoken[0]] == ["it fails"]


LOG = """2026-03-01 10:00:00,120 INFO  [main] service starting
2026-03-01 10:00:01,004 DEBUG [main] reading /etc/relay.conf
2026-03-01 10:00:02,310 ERROR [smtp-1] connection to 10.0.0.7:25 refused
2026-03-01 10:00:02,311 INFO  [main] retry in 30 s"""
REFUSED = "2026-03-01 10:00:02,310 ERROR [smtp-1] connection to 10.0.0.7:25 refused"
TRACE = """Traceback (most recent call last):
File "/opt/relay/run.py", line 7, in <module>
File "/opt/relay/smtp.py", line 90, in send
smtplib.SMTPServerDisconnected.Error: Connection closed. Try again."""
STYLE = "#bar {\ncolor: red;\nmargin: 0;\n}"
DIARY = "2026-03-01 10:00 restarted the relay\n2026-03-01 10:20 mail arrives\n2026-03-01 11:00 it stopped"
STEPS = "- replaced the cable;\n- moved it to port 7;\n- set the speed by hand;"


def test_of_logs_and_code_the_lines_with_an_error_are_read() -> None:
    assert read(f"The relay sends nothing:\n{LOG}\nIt did on Monday.") == [
        "The relay sends nothing:",
        REFUSED,
        "It did on Monday.",
    ]
    assert read(TRACE) == [TRACE.splitlines()[-1]]
    assert read(f"The style is:\n{STYLE}") == ["The style is:"]
    in_one_line = read("The relay sends nothing. " + LOG.replace("\n", " ") * 4)
    assert in_one_line[0] == "The relay sends nothing."
    assert len(in_one_line) > 1
    assert all("refused" in piece for piece in in_one_line[1:])
    assert read("bar { color: red; } foo { color: blue; } baz { color: green; } qux { width: 0; }" * 3) == []


@pytest.mark.parametrize("text", [DIARY, STEPS, REFUSED, "port = 25\nhost = relay"])
def test_a_diary_a_list_and_a_line_or_two_are_no_log(text: str) -> None:
    assert read(text) == text.splitlines()


def test_what_stands_between_two_wrapped_lines_is_not_left_out_of_a_sentence() -> None:
    first = "the scanner on the second floor has sent no mail to anybody since"
    assert read(f"{first}\nanna: yesterday it did") == [first, "yesterday it did"]
    assert read(f"> {first}\n> yesterday") == [first, "yesterday"]
    assert read(f"{first}\nyesterday") == [f"{first} yesterday"]


PIECES = [
    "The relay is down. ",
    "e.g. ",
    "> ",
    "\n",
    "\n\n",
    "J.\u3000R. ",
    ".\u00a0A\u2028.",
    "\x85.",
    "“?” ",
    "anna said:",
    "-- ",
    "Regards,\n",
    "<anna> ",
    "[Carl]> ",
    "From: a\nSent: b\n",
    "On Monday Anna\nwrote:\n",
    LOG,
    "{};\n",
    "it never ends and goes on and on and on and on and on and on\n",
    "İ ß ﬁ 🙂",
    "1. ",
    "\x00\ud800",
]


@given(st.lists(st.sampled_from(PIECES), max_size=25), st.text(max_size=20))
def test_a_sentence_stands_word_for_word_in_its_text_whatever_that_is(pieces: list[str], more: str) -> None:
    text = "".join([*pieces, more])
    whole = squeeze(text.replace("\x00", " ").replace("\ud800", " ").replace("\r", "\n"))
    unprintable = any(char < " " or char == "\x7f" for char in more)
    for told in read(text):
        assert unprintable or told in whole


UNITS = [
    "> a\n",
    "a said:\n",
    "On a ",
    "on a\nwrote:\n",
    "From: a\n",
    "a" * 79 + "\n",
    "{",
    "a=b\n",
    "(=;\n",
    "“",
    "? ",
]
UNITS += ["<a> b\n", "please join ", "caution: ", "thanks ", "1. ", "\u0085.", "a" * 60 + ": "]


@pytest.mark.parametrize("unit", UNITS)
def test_of_a_text_no_more_than_its_share_is_read(unit: str) -> None:
    assert len(read((unit * LONGEST_TEXT)[: 2 * LONGEST_TEXT])) <= SENTENCES_PER_TEXT


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("rebooted the servers", "restarting a server"),
        ("configuring the policies", "the policy was configured"),
        ("deployment", "deployed"),
        ("replacement of the drives", "we replaced both drives"),
    ],
)
def test_forms_of_a_word_have_one_stem(text: str, other: str) -> None:
    assert stems(text) <= stems(other) | {"both"}


def test_names_and_other_words_keep_their_own_stem() -> None:
    assert stems("srv-02s") == {"srv-02s"}
    assert not stems("policy") & stems("police")
    assert repeats("Restart the print spooler", "The spooler for print was rebooted.")
    assert not repeats("Restart the print spooler", "The print spooler was checked.")
