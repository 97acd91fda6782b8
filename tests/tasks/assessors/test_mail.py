"""Assessors read a mail's text as a person sees it."""

from __future__ import annotations

import base64
import os
import quopri
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assessors.extractive import Extractive
from tasks.assessors.mail import as_seen, case_as_seen
from tests.tasks.assessors.cases import PRINTER

PAGE = """<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN">
<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><title>mail</title>
<style type="text/css">p.x { color: red; } a > b { top: 0 }</style><meta charset="utf-8"></head>
<body bgcolor=white><!-- a comment with <b>mark-up</b> --><!--[if mso]><p>for Outlook</p><![endif]-->
<div style="display:none; max-height:0">A preview <span>that nobody</span> sees</div>
<p class="MsoNormal">Hello,<o:p></o:p></p>
<p>the <b>VPN</b> drops with <font color="#f00">error&nbsp;809</font> &amp; then&#58;<br>nothing.</p>
<center>See <a href="https://example.com/log?a=1&b=2" title="a > b">the log</a>.</center>
<script>document.write("<p>written</p>")</script>
<table border=1><tr><th>Host</th><td>srv-1</td></tr><tr><th>State</th><td>down</td></tr></table>
<ul><li>Restarted it<li>Replaced it</ul>
<span hidden>not this</span><pre>line 1
  line 2 &lt;x&gt;</pre><img src="https://example.com/pixel.gif" alt="">
</body></html>"""


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_a_page_is_read_as_a_browser_shows_it() -> None:
    assert squeezed(as_seen(PAGE)) == [
        "Hello,",
        "the VPN drops with error 809 & then:",
        "nothing.",
        "See the log.",
        "Host srv-1",
        "State down",
        "- Restarted it",
        "- Replaced it",
        "line 1",
        "line 2 <x>",
    ]


def mail(body: str, *headers: str) -> str:
    return "\n".join(["Received: from a by b;", "\tThu, 1 Jan 2026 10:00:00 +0000", *headers, "", body])


def packed(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


TOLD = "Der Drucker im zweiten Stock fällt seit dem Update aus. Es hilft nichts, was wir versucht haben."
QUOTED_PRINTABLE = quopri.encodestring(TOLD.encode()).decode()
ALTERNATIVES = (
    f"--b1_frontier\nContent-Type: text/plain; charset=utf-8\n\n{TOLD}\n"
    "--b1_frontier\nContent-Type: text/html\n\n<p>the same as a page</p>\n--b1_frontier--\n"
)

SEEN = {
    "elements in a plain text": ("It fails<br/>with <b>error 5</b>.<BR>Why?", "It fails\nwith error 5.\nWhy?"),
    "a placeholder within a page": ("<p>ssh root@<host></p><p>fails</p>", "ssh root@<host>\n\nfails"),
    "a less-than sign within a page": ("<p>if (a<b) or 1 < 2</p>", "if (a<b) or 1 < 2"),
    "an element left open": ("<div>It fails <b>again", "It fails again"),
    "a hidden part within itself": ("<div hidden>a<div>b</div>c</div><p>seen</p>", "seen"),
    "what an old program writes": ("<CENTER><FONT SIZE=2>It fails</FONT></CENTER>", "It fails"),
    "lines between inline elements": ("First <b>line</b>\nsecond line\n\nthird", "First line\nsecond line\n\nthird"),
    "keys and struck words": ("Press <kbd>F5</kbd>, <strike>not F6</strike>", "Press F5, not F6"),
    "what Outlook leaves": ("<b>It fails</b><o:p></o:p>", "It fails"),
    "a hidden paragraph left open": ("<p style='display:none'>hidden<p>seen<div>too</div>", "seen\ntoo"),
    "a hidden cell left open": ("<table><tr><td hidden>no<td>yes</table>", "yes"),
    "a cell by cell table": ("<table><tr><td>Code</td><td>0x80</td></tr></table>", "Code  0x80"),
    "entities in a plain text": ("Tom&nbsp;&amp; Anna&#39;s PC", "Tom\u00a0& Anna's PC"),
    "nothing but pictures": ("<script>x()</script><img src=x onerror=y>", "[…]"),
    "a picture's place": ("It fails [cid:image001.png@01D8.5] again", "It fails  again"),
    "words of a header": ("=?utf-8?B?VlBOIGbDpGxsdA==?= =?iso-8859-1?Q?_=FCberall_aus?=", "VPN fällt überall aus"),
    "an unknown character set": ("=?x-nobody?Q?=FC?= fails", "=?x-nobody?Q?=FC?= fails"),
    "quoted-printable": (QUOTED_PRINTABLE, TOLD),
    "base64 in lines": (f"It says:\n{packed(TOLD * 3)}", f"It says:\n{TOLD * 3}\n"),
    "base64 in one run": (base64.b64encode((TOLD * 3).encode()).decode(), f"{TOLD * 3}\n"),
    "a picture in base64": ("See:\n" + base64.encodebytes(b"\x89PNG" * 60).decode(), "See:\n[…]\n"),
    "a mail": (mail(TOLD, "Subject: =?utf-8?Q?Drucker_f=C3=A4llt_aus?="), f"Drucker fällt aus\n\n{TOLD}"),
    "a mail in base64": (
        mail(packed(TOLD), "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64"),
        TOLD,
    ),
    "a mail in another character set": (
        mail(
            quopri.encodestring("Es fällt aus".encode("cp1252")).decode(),
            "Content-Type: text/plain; charset=windows-1252",
            "Content-Transfer-Encoding: quoted-printable",
        ),
        "Es fällt aus",
    ),
    "a mail that is a page": (mail("<p>It <b>fails</b></p>", "Content-Type: text/html"), "It fails"),
    "a mail with alternatives": (
        mail(ALTERNATIVES, 'Content-Type: multipart/alternative; boundary="b1_frontier"'),
        TOLD,
    ),
    "the parts of a mail": (ALTERNATIVES, TOLD),
    "the parts of Outlook": (
        "------=_NextPart_000_0001\nContent-Type: text/plain;\n\tcharset=us-ascii\n\nIt fails\n\n"
        "------=_NextPart_000_0001\nContent-Type: text/html\n\n<p>It fails</p>\n------=_NextPart_000_0001--",
        "It fails",
    ),
    "the parts of Thunderbird": (
        "This is a multi-part message in MIME format.\n--------------ms0102\nContent-Type: text/plain\n\nIt fails\n"
        "--------------ms0102--",
        "It fails",
    ),
    "all the texts of a mail": (
        mail(
            "--o\nContent-Type: text/plain\n\nfirst\n"
            "--o\nContent-Type: text/plain\nContent-Disposition: attachment\n\nattached\n"
            "--o\nContent-Type: message/rfc822\n\nSubject: inner\n\nforwarded\n--o--",
            'Content-Type: multipart/mixed; boundary="o"',
        ),
        "first\n\ninner\n\nforwarded",
    ),
    "a mail below a person's words": (
        "See below.\n\n" + mail("It fails", "MIME-Version: 1.0", "Subject: printer"),
        "See below.\n\nprinter\n\nIt fails",
    ),
    "a mail out of a mailbox": ("From a@b Thu Jan  1 10:00:00 2026\n" + mail(TOLD, "Subject: x"), f"x\n\n{TOLD}"),
    "a character set that was not said": (
        mail(packed(TOLD), "Content-Transfer-Encoding: base64"),
        TOLD,
    ),
    "a character split between two words": ("=?UTF-8?Q?f=C3?=\n =?UTF-8?Q?=A4llt_aus?=", "fällt aus"),
    "quoted-printable of Windows": (quopri.encodestring(TOLD.encode("cp1252")).decode(), TOLD),
    "quoted-printable below a command": (f"set x=a\n\n{QUOTED_PRINTABLE}", f"set x=a\n\n{TOLD}"),
    "a spelt character beside a command": ("x=20 f=C3=A4llt", "x=20 fällt"),
    "base64 of Windows": (base64.encodebytes((TOLD * 3).encode("cp1252")).decode(), TOLD * 3),
    "base64 in two lines": (f"Hi\n{packed(TOLD)}", f"Hi\n{TOLD}"),
    "what Word writes": (
        "<p class=MsoNormal>Hi<o:p>&nbsp;</o:p></p><xml><w:View>Normal</w:View></xml><v:shape id=x/>",
        "Hi",
    ),
    "a hidden item left open": ("<ul><li hidden>no<ul><li>no</ul><li>seen</ul>", "- seen"),
    "a hidden span left open": ("<div><span hidden>no</div><p>seen</p>", "seen"),
    "a quotation": (
        "<p>It fails.</p><blockquote type=cite>Did you<br>restart?<blockquote>No</blockquote></blockquote><p>Yes</p>",
        "It fails.\n\n> Did you\n> restart?\n>> No\n\nYes",
    ),
    "a quotation left open": ("<div>It fails.<blockquote>Since when?</div>", "It fails.\n> Since when?"),
    "what is no sign of a quotation": ("<p>\ufdd2</p><p>It fails.</p>", "It fails."),
    "other elements": ("press <kbd>F5</kbd>\n<strike>x</strike>\n- y", "press F5\nx\n- y"),
    "lines around one element": ("It <b>fails</b>\n- on one\n- on two", "It fails\n- on one\n- on two"),
    "a long attribute": (f"<p>a</p><img alt='{'A ' * 4000}'><p>b</p>", "a\n\nb"),
    "a page in code marks": ("Write `<br>` or `<b>x</b>`.<br>Or not", "Write <br> or <b>x</b>.\nOr not"),
    "a page in a fence": (
        "It <b>fails</b>:\n```html\n<div>\n  <br>&amp;\n</div>\n```\nand ends",
        "It fails:\n<div>\n  <br>&amp;\n</div>\nand ends",
    ),
    "a fence left open": ("It says\n```\n**x** <b>", "It says\n**x** <b>"),
    "what is left of a quotation": ("It fails again. </blockquote>", "It fails again."),
    "a fence in a longer one": ("````\n```\n**x**\n```\n````", "```\n**x**\n```"),
    "links of Markdown": (
        "See [a](docs/x.md), [b][1], [![badge](https://x/y.png)](https://x) and ***c*** or _d e_.\n\n"
        "[1]: https://example.com",
        "See a, b,  and c or d e.\n",
    ),
    "nothing but a picture's place": ("[image: image.png]", "[…]"),
    "quoted-printable of Windows in one line": ("Gr=FC=DFe aus M=FCnchen, =E4hnlich", "Grüße aus München, ähnlich"),
    "uuencode": ("Look:\nbegin 644 a.txt\n#0V%T\n`\nend\nthere", "Look:\nCat\nthere"),
    "a key": (
        "-----BEGIN CERTIFICATE-----\nMIIB+zCCAaKgAwIBAgIUQ\n=ab+d\n-----END CERTIFICATE-----\nIt expired",
        "-----BEGIN CERTIFICATE-----\n[…]\n-----END CERTIFICATE-----\nIt expired",
    ),
    "headers that only a machine writes": (
        "From: a@b.example\nTo: c@d.example\nSubject: Printer\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n\nIt fails.",
        "Printer\n\nIt fails.",
    ),
    "a comment in a plain text": ("It fails <!-- seen on LAP-7 -->again", "It fails again"),
    "any element": (
        "<p><my-card id=1>one</my-card> <marquee>two</marquee> <fieldset><label>three</label></fieldset>",
        "one two\nthree",
    ),
    "an element that nobody knows": ("<div><foo>It fails</foo> on <host></div>", "It fails on <host>"),
    "a table of Markdown without bars around it": ("A | B\n--- | ---\n1 | **2**\n\nx | y", "A  B\n1  2\n\nx | y"),
    "Markdown in Markdown": ("**very *bad* indeed**", "very bad indeed"),
    "Markdown": (
        "# Summary\n\nThe **VPN** drops, see [the log](https://example.com/a_(b)).\n\n## Tried\n\n"
        "| Host | State |\n|---|:--:|\n| srv-1 | *down* |\n\n```sh\nrm **/*.log\n```\n"
        "Run `netsh **x**`. ![a picture](https://example.com/p.png)\n[1]: https://example.com\n~~No.~~ __Very bad__",
        "Summary\n\nThe VPN drops, see the log.\n\nTried\n\n"
        "Host  State\nsrv-1  down\n\nrm **/*.log\n"
        "Run netsh **x**. \nNo. Very bad",
    ),
}


@pytest.mark.parametrize("what", SEEN)
def test_a_person_sees(what: str) -> None:
    brought, seen = SEEN[what]
    assert as_seen(brought).strip("\n") == seen.strip("\n")
    assert as_seen(brought.replace("\n", "\r\n")).strip("\n") == seen.strip("\n")


AS_IT_STANDS = [
    "if (a<b) and c>d: x",
    "C:\\Users\\<name>\\AppData",
    "List<String> x = new List<String>();",
    "run grep =20 file",
    "x=10 y=20 z=3D",
    "rm **/*.log and *.txt",
    "C:\\temp\\*.tmp and D:\\*.log",
    "cron: */5 * * * * root run",
    "def __init__(self): __all__ = [__name__]",
    "foo_bar_baz",
    "#!/bin/sh\n# a comment\necho $PATH",
    "# systemctl restart nginx",
    "1 < 2 > 0",
    "2*3*4 and a * b * c",
    "**kwargs and *args",
    '<configuration>\n  <add key="x" value="y"/>\n</configuration>',
    '<beans xmlns="http://www.springframework.org/schema/beans"><bean id="a"><b>1</b></bean></beans>',
    "<?xml version='1.0'?><a><b>1</b><table>2</table></a>",
    "use a <p> tag in the template",
    "ssh <address> and ping <host>, press <Enter>, set <time>",
    "select * from t where a*b > 2*c",
    "arr[i](x) and [1](2)",
    "https://example.com/?a=1&b=2&copy=3",
    "git log --format=%H | a | b |",
    "a | b | c",
    "Error at line 5: <unknown>",
    "user@host:~$ ls ~/x",
    "cat <<EOF\nfoo\nEOF",
    "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "From: Anna\nSubject: the printer\n\nIt fails.",
    "Received: we got the invoice\nplease check",
    "The header says\nReceived: from mx.example by y\nand SPF fails",
    "<!-- not closed, in a text",
    "use <p> tag in the template",
    '<appSettings>\n  <!-- kept -->\n  <add key="a"/>\n</appSettings>',
    'It has a "<!-- menu -->" comment.',
    "Map<String, List<Integer>> sizes",
    "return <Row title={x}>text</Row>;",
    "< HTTP/2 502\n< content-type: text/html\n<\nbody",
    "key=FFaabb and id=E4",
    '<div class="x"> is missing in header.html',
    "deadbeef" * 40,
    "9f86d081884c7d659a2feaa0c55ad015\n" * 3,
    "a_name_that_is_rather_long_and_of_no_base64",
    "AdministratorsGroupPolicyUpdateServiceHost",
    "set x=20 && echo done",
    "Why so late?\n\nReceived: from a by b;\n\tThu\nReceived: from c by d\nMessage-ID: <1@a>",
    "Received: from a by b;\n\tThu\nMessage-ID: <1@a>\nSubject: late",
    "user_1: ls -la *scd*",
    "~~~",
    "The template lacks a </div> somewhere",
    "m[a][b] = x[i](y.z)",
    "`",
    "",
]


@pytest.mark.parametrize("text", AS_IT_STANDS)
def test_what_only_looks_like_mark_up_stays(text: str) -> None:
    assert as_seen(text) == text


UNITS = [
    "<",
    "<a ",
    '<a "x ',
    "<a \"'",
    "<!--",
    "<br>",
    "<div style='display:none'>",
    "<p>x",
    "**a ",
    "[a](",
    "![a](",
    "__a ",
    "`a",
    "~~a ",
    "|---",
    "## a\n",
    "=\n",
    "=C3=A4",
    "=" * 70 + "\n",
    "QUJD",
    "A" * 60 + "\n",
    "=?utf-8?Q?a?= ",
    "begin 644 a\n",
    "begin 644 a\n" + "M" + "A" * 60 + "\n",
    "-----BEGIN X KEY-----\nQUJD\n",
    "a=E4b",
    "a | b\n--- | ---\n",
    "=?utf-8?Q?aaaaaaaa",
    "=C3",
    "A" * 30 + "\n",
    "```\n",
    "````\n~~~\n",
    "[a][",
    "_a _",
    "***a ",
    "<p hidden>",
    "<blockquote>",
    "<blockquote>a<br>b<br>c<br>",
    "<b hidden><i>",
    "</i>",
    "\n\nMIME-Version: x\n",
    "------x\nContent-Type: message/rfc822\n\n",
    "&amp;",
    "Received: x\n",
    "--frontier\nContent-Type: text/plain\n\nx\n",
    " \t",
]


@pytest.mark.parametrize("unit", UNITS)
def test_twice_the_text_takes_about_twice_the_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        best = []
        for _ in range(3):
            before = time.process_time()
            as_seen(text, length)
            best.append(time.process_time() - before)
        return min(best)

    assert seconds(80_000) < 5 * seconds(20_000) + 0.1


HEADERS = [
    "MIME-Version: 1.0\n",
    "Content-Type: multipart/mixed; boundary=frontier\n",
    'Content-Type: text/plain; charset="\n',
    "Content-Type: message/rfc822\n",
    "Content-Disposition: ;;=\n",
    "Content-Transfer-Encoding: base64\n",
    "Subject: =?utf-8?Q?=ZZ?= <@@>\n",
    "--frontier\n",
]


@given(
    st.lists(
        st.sampled_from([*UNITS, PAGE[:200], *HEADERS, ALTERNATIVES[:90], "text ", "\n\n", "é", "\x00", "</"]),
        max_size=30,
    )
)
def test_no_text_is_too_broken(pieces: list[str]) -> None:
    assert isinstance(as_seen("".join(pieces)), str)


def test_the_marks_of_quotations_do_not_make_a_text_many_times_as_long() -> None:
    assert len(as_seen("<blockquote>" * 2000 + "a<br>" * 4000)) < 60_000


def test_of_a_long_header_no_more_is_read_than_people_would() -> None:
    """The library's time grows with the square of the parameters of a header."""
    seen = as_seen(mail("It fails.", "Subject: " + "x " * 1000, "Content-Type: text/plain" + "; a*0*=x" * 2000))
    assert seen.endswith("It fails.")
    assert len(seen) < 600


def test_of_a_long_text_both_ends_are_seen() -> None:
    seen = as_seen("<p>the beginning</p>" + "<p>between</p>" * 20_000 + "<p>the end</p>")
    assert seen.startswith("the beginning")
    assert seen.endswith("the end")
    assert len(seen) < 60_000


def test_an_assessment_speaks_of_what_is_seen() -> None:
    plain = Extractive().assess(PRINTER, deadline=0).content
    newline = "\n"
    paged = replace(
        PRINTER,
        problem=f"<html><body><style>x{{}}</style><p>{PRINTER.problem.replace(newline, '<br>')}</p></body></html>",
        steps=tuple(
            replace(step, text=f"<div>{step.text}</div><!-- {os.urandom(4).hex()} -->") for step in PRINTER.steps
        ),
    )
    assert Extractive().assess(paged, deadline=0).content == plain
    assert case_as_seen(paged).problem == PRINTER.problem
